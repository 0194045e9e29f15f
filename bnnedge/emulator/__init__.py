"""Runs a Dataflow on a CPU, bit-packed: the same integers as `Dataflow.run`, far quicker."""

from bnnedge.emulator.emulator import Emulator
from bnnedge.emulator.library import Instructions

__all__ = ["Emulator", "Instructions"]
