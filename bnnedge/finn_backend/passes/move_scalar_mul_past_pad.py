"""Scales go past padding with 0."""

from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name


class MoveScalarMulPastPad(Transformation):
    """Mul by a scalar, then Pad with 0: the Pad, then the Mul.

    FINN's MoveScalarLinearPastInvariants knows a Slice, and no Pad: a shortcut that adds channels
    of zeros keeps its scale, and is no integer.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Move every Mul that nothing else reads."""
        for pad in list(model.graph.node):
            mul = model.find_producer(pad.input[0]) if pad.op_type == "Pad" else None
            if mul is None or mul.op_type != "Mul" or model.is_fork_node(mul):
                continue
            scale = model.get_initializer(mul.input[1])
            if scale is None or scale.size != 1 or not _is_zero(model, pad):
                continue
            model.set_initializer(mul.input[1], scale.reshape(()))
            data, out = mul.input[0], pad.output[0]
            middle = mul.output[0]
            model.set_tensor_shape(middle, model.get_tensor_shape(out))
            model.set_tensor_datatype(middle, model.get_tensor_datatype(data))
            pad.input[0], pad.output[0] = data, middle
            mul.input[0], mul.output[0] = middle, out
            model.set_tensor_datatype(out, DataType["FLOAT32"])
            nodes = model.graph.node
            nodes.remove(mul)
            nodes.insert(list(nodes).index(pad) + 1, mul)
        return model, False


def _is_zero(model: ModelWrapper, pad: NodeProto) -> bool:
    mode = get_by_name(pad.attribute, "mode")
    names = list(pad.input[2:3])
    value = model.get_initializer(names[0]) if names and names[0] else None
    constant = mode is None or mode.s == b"constant"
    return constant and (not (names and names[0]) or (value is not None and not value.any()))
