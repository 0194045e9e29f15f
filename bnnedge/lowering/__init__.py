"""ONNX in three dialects → Dataflow. Importing this package imports neither onnx nor FINN."""

from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.lowering.config import InputKind, Look, LoweringConfig
from bnnedge.lowering.lower import Lowered, compare, lower, lower_model, write_graph

__all__ = [
    "InputKind",
    "Look",
    "Lowered",
    "LoweringConfig",
    "SignZero",
    "compare",
    "lower",
    "lower_model",
    "write_graph",
]
