"""Export: a checkpoint becomes a QONNX model that is checked against PyTorch, bit for bit."""

from bnnedge.exporter.stage import export

__all__ = ["export"]
