"""ONNX in three dialects → Dataflow. Importing this package imports neither onnx nor FINN."""

from bnnedge.lowering.config import LoweringConfig, SignZero
from bnnedge.lowering.lower import Lowered, lower, lower_model

__all__ = ["Lowered", "LoweringConfig", "SignZero", "lower", "lower_model"]
