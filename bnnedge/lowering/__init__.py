"""ONNX in three dialects → Dataflow. Importing this package imports neither onnx nor FINN."""

from bnnedge.lowering.config import InputKind, LoweringConfig, SignZero
from bnnedge.lowering.lower import Lowered, lower, lower_model

__all__ = ["InputKind", "Lowered", "LoweringConfig", "SignZero", "lower", "lower_model"]
