"""From a Dataflow folder to synthesisable SystemVerilog: folded, instantiated, predicted."""

from bnnedge.rtl.config import RtlConfig
from bnnedge.rtl.emit import emit

__all__ = ["RtlConfig", "emit"]
