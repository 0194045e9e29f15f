"""Shapes of all tensors, inferred by onnx."""

import onnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp, is_custom_op

from bnnedge.lowering.indexed import Array, IndexedModel


class _Wrapped(ModelWrapper):  # type: ignore[misc]
    """A model as qonnx's nodes want it, to say what shapes they give; constants are looked up."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__(model, fix_missing_initializer_valueinfo=False)
        self._indexed = IndexedModel(proto=model)

    def get_tensor_shape(
        self, tensor_name: str, fix_missing_init_shape: bool = False
    ) -> list[int] | None:
        """The shape of a tensor, or None."""
        return self._indexed.known_shape(tensor_name)

    def get_initializer(self, tensor_name: str) -> Array | None:
        """The constant of that name, or None."""
        return self._indexed.constants.get(tensor_name)


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """By onnx, with stand-ins for the nodes of QONNX."""
    wrapped, hidden = _Wrapped(model), {}
    for index, node in enumerate(model.graph.node):
        if node.domain and is_custom_op(node.domain):
            stand_in = getCustomOp(node).make_shape_compatible_op(wrapped)
            hidden[index] = onnx.NodeProto()
            hidden[index].CopyFrom(node)
            node.CopyFrom(stand_in)
    inferred = onnx.shape_inference.infer_shapes(model)
    for index, node in hidden.items():
        inferred.graph.node[index].CopyFrom(node)
    return inferred


def infer_anew(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same, after nodes were changed."""
    forget_shapes(model.graph)
    return infer_shapes(model)


def forget_shapes(graph: onnx.GraphProto) -> None:
    """Let shapes be inferred anew."""
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
