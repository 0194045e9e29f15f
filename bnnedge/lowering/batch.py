"""One image of float32 at the graph's input, whatever batch and type were baked in."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError
from bnnedge.lowering.infer_shapes import forget_shapes
from bnnedge.lowering.passes.declare_input import note_integers
from bnnedge.lowering.vocabulary import ELEMENTWISE, RESHAPING, called


def fix_batch(model: onnx.ModelProto) -> None:
    """Set the leading dimension to 1; every other one must be a number."""
    value = model.graph.input[0]
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        _cast_input(model)
    if not value.type.tensor_type.HasField("shape"):
        raise LoweringError(
            f"input {value.name}: its shape is not in the file",
            remedy="export with a fixed input shape (batch, …)",
        )
    dims = value.type.tensor_type.shape.dim
    if len(dims) < 2:
        raise LoweringError(
            f"input {value.name}: wanted a leading batch dimension, got rank {len(dims)}",
            remedy="export with inputs of shape (batch, …)",
        )
    for place, dim in enumerate(dims):
        if place and dim.dim_value < 1:
            what = "dynamic, only the batch may be"
            if dim.HasField("dim_value"):
                what = f"{dim.dim_value}, wanted 1 or more"
            raise LoweringError(
                f"input {value.name}: dimension {place} is {what}",
                remedy="export with a fixed input shape",
            )
    if dims[0].dim_value != 1:
        before = dims[0].dim_value
        dims[0].dim_value = 1
        _rebatch(model, before)
    forget_shapes(model.graph)


def _cast_input(model: onnx.ModelProto) -> None:
    """Make an input of another type, such as the pixels of a uint8 image, a float32 one.

    That changes nothing if the graph, too, casts it to float32 before it computes.
    """
    value = model.graph.input[0]
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    tensors = {value.name}
    for node in model.graph.node:
        if not tensors & set(node.input) or node.op_type == "Shape":
            continue
        if node.op_type == "Cast" and get_by_name(node.attribute, "to").i == TensorProto.FLOAT:
            continue
        if node.op_type not in RESHAPING | {"Identity"}:
            raise LoweringError(
                f"input {value.name} is {kind}, and {called(node)} computes with it",
                remedy="export a float32 input, or cast the input to float32 first",
            )
        tensors.update(node.output)
    value.type.tensor_type.elem_type = TensorProto.FLOAT
    if kind in ("UINT8", "INT8"):
        note_integers(model, kind)
    if kind == "BOOL":
        wrapper = ModelWrapper(model, fix_missing_initializer_valueinfo=False)
        wrapper.set_tensor_datatype(value.name, DataType["BINARY"])


def _rebatch(model: onnx.ModelProto, before: int) -> None:
    """A model exported with a batch of `before` > 1 has it in constants, too: set it to 1 there.

    It is in the shapes of Reshape nodes, and in folded constants such as `torch.ones_like(x)`.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    data = {model.graph.input[0].name}  # weights may be reshaped, too, and have `before` rows
    for node in model.graph.node:
        if before < 2 or not data & set(node.input):
            continue
        data.update(node.output)
        for name in node.input:
            if name not in stored:
                continue
            value = numpy_helper.to_array(stored[name])
            if not value.size or value.ndim == 0:
                continue
            if node.op_type == "Reshape" and value[0] == before:
                one = np.array([1, *value[1:]], np.int64)
                stored[name].CopyFrom(numpy_helper.from_array(one, name))
                continue
            rows = node.op_type in ELEMENTWISE and value.ndim > 1 and len(value) == before
            if rows and (value == value[:1]).all():
                stored[name].CopyFrom(numpy_helper.from_array(value[:1].copy(), name))
