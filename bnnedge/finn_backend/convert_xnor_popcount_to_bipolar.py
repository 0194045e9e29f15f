"""Bits 0 and 1 become −1 and 1 again: hardware is the same, and says so in one way."""

from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation


class ConvertXnorPopcountToBipolar(Transformation):
    """MultiThreshold to {0, 1}, then XnorPopcountMatMul: MultiThreshold to ±1, then MatMul.

    QONNX's ConvertBipolarMatMulToXnorPopcount the other way round, for what `bnnedge.lower` writes
    of fully connected networks. p pairs of MW that agree are a product of 2p − MW, so thresholds
    follow, and a Mul by 2 and an Add of −MW behind a layer vanish. A layer that bits do not reach
    in this way, or whose counts go elsewhere, stays.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert what can be converted."""
        for node in list(model.graph.node):
            if node.op_type == "XnorPopcountMatMul":
                _convert(model, node)
        return model, False


def _convert(model: ModelWrapper, node: NodeProto) -> None:
    binariser = model.find_producer(node.input[0])
    siblings = model.find_consumers(node.input[0])
    weights = model.get_initializer(node.input[1])
    ends = _ends(model, node)
    if binariser is None or weights is None or ends is None or len(siblings) > 1:
        return
    if binariser.op_type != "MultiThreshold" or not _is_binary(binariser):
        return
    for key, value in (("out_scale", 2.0), ("out_bias", -1.0), ("out_dtype", "BIPOLAR")):
        getCustomOp(binariser).set_nodeattr(key, value)
    synapses = len(weights)
    node.op_type, node.domain = "MatMul", ""
    model.set_initializer(node.input[1], 2 * weights - 1)
    for tensor in node.input:
        model.set_tensor_datatype(tensor, DataType["BIPOLAR"])
    for end in ends:
        if end.op_type == "MultiThreshold":
            rows = 2 * model.get_initializer(end.input[1]) - synapses
            model.set_initializer(end.input[1], rows)
            limit = int(min(rows.min(), -rows.max() - 1, -1))
            model.set_tensor_datatype(end.input[1], DataType.get_smallest_possible(limit))
        else:
            node.output[0] = end.output[0]
            model.graph.node.remove(end)
    sums = DataType.get_smallest_possible(-synapses - 1)
    model.set_tensor_datatype(node.output[0], sums)


def _is_binary(node: NodeProto) -> bool:
    instance = getCustomOp(node)
    scale, bias = (instance.get_nodeattr(key) for key in ("out_scale", "out_bias"))
    return bool(instance.get_nodeattr("out_dtype") == "BINARY" and (scale, bias) == (1, 0))


def _ends(model: ModelWrapper, node: NodeProto) -> list[NodeProto] | None:
    """What reads the counts: a MultiThreshold, or what makes products of them; else None."""
    synapses = len(model.get_initializer(node.input[1]))
    readers = model.find_consumers(node.output[0])
    if len(readers) != 1:
        return None
    if readers[0].op_type == "MultiThreshold":
        return list(readers)
    found, last = [], node
    for op, wanted in (("Mul", 2), ("Add", -synapses)):
        readers = model.find_consumers(last.output[0])
        if len(readers) != 1 or readers[0].op_type != op:
            return None
        (last,) = readers
        value = model.get_initializer(last.input[1])
        if value is None or (value != wanted).any():
            return None
        found.append(last)
    return found
