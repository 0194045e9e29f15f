"""Simulation: the generated hardware under Verilator, cycle by cycle, equal to its Dataflow."""

from bnnedge.simulation.check import FifoFill, SimulationResult, StallRun, check, simulate
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.core import Core, CoreRun

__all__ = [
    "Core",
    "CoreRun",
    "FifoFill",
    "SimulationConfig",
    "SimulationResult",
    "StallRun",
    "check",
    "simulate",
]
