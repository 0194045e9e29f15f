"""Datatypes behind nodes that only move or pick values, which keep them.

A zero that Im2Col or a Pad brings in is no BIPOLAR: there the type is TERNARY, also in front of the
Im2Col, which checks that its input's type allows what it pads with.
"""

from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

_MOVES = {"Transpose", "Reshape", "Pad", "Im2Col", "MaxPool", "MaxPoolNHWC", "Flatten"}


class AnnotateMoves(Transformation):  # type: ignore[misc]
    """Annotates the outputs of moving nodes behind annotated tensors."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in model.graph.node:
            if node.op_type not in _MOVES:
                continue
            kind = model.get_tensor_datatype(node.input[0])
            pads = get_by_name(node.attribute, "pad_amount") if node.op_type == "Im2Col" else None
            if pads is not None and any(pads.ints) and kind == DataType["BIPOLAR"]:
                kind = DataType["TERNARY"]
                model.set_tensor_datatype(node.input[0], kind)
            if kind != DataType["FLOAT32"]:
                model.set_tensor_datatype(node.output[0], kind)
        return model, False
