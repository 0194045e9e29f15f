"""Simulation: the generated hardware under Verilator, cycle by cycle, equal to its Dataflow."""

from bnnedge.simulation.check import check, simulate
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.core import Core, CoreRun
from bnnedge.simulation.facts import FifoFill, SimulationResult, StallRun
from bnnedge.simulation.patterns import PATTERNS, StreamPressure

__all__ = [
    "PATTERNS",
    "Core",
    "CoreRun",
    "FifoFill",
    "SimulationConfig",
    "SimulationResult",
    "StallRun",
    "StreamPressure",
    "check",
    "simulate",
]
