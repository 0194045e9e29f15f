"""From a Dataflow folder to synthesisable SystemVerilog: folded, instantiated, predicted."""

from bnnedge.hardware.authentic import own_copy
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.emit import emit

__all__ = ["RtlConfig", "emit", "own_copy"]
