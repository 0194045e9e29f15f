"""What takes part in a lowering beside bnnedge."""

from importlib.metadata import version


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a lowering."""
    return {name: version(name) for name in ("finn-plus", "qonnx", "onnx", "onnxruntime", "numpy")}
