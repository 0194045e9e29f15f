"""What the file or the user says of the input's values → a node that says it.

Of ±1 and of 0 and 1 that is a binariser, for FINN's partitions start at bits; of integers a
quantiser, where the graph has none. Neither changes anything for the values that are allowed.
"""

import numpy as np
import onnx
from onnx import TensorProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.errors import LoweringError, named
from bnnedge.lowering.config import InputKind
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.passes.edit import Inserter

_INTEGER_KEY = "bnnedge.integer_input"
_ANNOTATED_KEY = "bnnedge.annotated_input"
_DECLARED_INPUT = "declared_input"
_BITS = {"BIPOLAR": (0.0, 2.0, -1.0), "BINARY": (0.5, 1.0, 0.0)}
_INTEGERS = {
    *(f"{sign}INT{bits}" for sign in ("", "U") for bits in range(2, 9)),
    "TERNARY",
}
_TYPES = {TensorProto.UINT8: "UINT8", TensorProto.INT8: "INT8", TensorProto.BOOL: "BINARY"}
_MAY_HOLD = {("INT8", "BIPOLAR"), ("FLOAT32", "BIPOLAR"), ("FLOAT32", "INT8"), ("FLOAT32", "UINT8")}


def declare(model: onnx.ModelProto, kind: InputKind) -> None:
    """Note what the user says of the input.

    Raises:
        LoweringError: the file says something else.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in (value for value in model.graph.input if value.name not in stored):
        own = _TYPES.get(value.type.tensor_type.elem_type) or _annotated(model, value.name)
        if own != kind.name and (own, kind.name) not in _MAY_HOLD:
            raise LoweringError(
                f"input {value.name}: the file says that it holds {own},"
                f" {named('input', kind.value)}",
                remedy=f"leave out {named('input')}, or mend the file",
            )
        if kind is InputKind.BIPOLAR:
            _wrapped(model).set_tensor_datatype(value.name, DataType[kind.name])
        else:
            note_integers(model, kind.name)
        return


def note_integers(model: onnx.ModelProto, kind: str) -> None:
    """Say in the metadata that the input holds integers, which are UINT8 or INT8."""
    if not any(entry.key == _INTEGER_KEY for entry in model.graph.metadata_props):
        model.graph.metadata_props.add(key=_INTEGER_KEY, value=kind)


def declare_input(model: onnx.ModelProto) -> None:
    """A binariser of what is annotated as bits; of integers, note what is annotated."""
    source = model.graph.input[0].name
    kind = _annotated(model, source)
    if kind in _INTEGERS:
        model.graph.metadata_props.add(key=_ANNOTATED_KEY, value=kind)
    if kind not in _BITS:
        return
    threshold, scale, bias = _BITS[kind]
    inserter = Inserter(_wrapped(model), 0)
    bits = inserter.tensor(IndexedModel(proto=model).shape(source))
    for node in model.graph.node:
        node.input[:] = [bits if name == source else name for name in node.input]
    inserter.node(
        "MultiThreshold",
        [source, inserter.constant(np.array([[threshold]], np.float32))],
        bits,
        _DECLARED_INPUT,
        out_dtype=kind,
        out_scale=scale,
        out_bias=bias,
    )


def integers_declared(model: onnx.ModelProto) -> str | None:
    """UINT8 or INT8 where the input is that by the file's type or by the user's word; else None."""
    return _noted(model, _INTEGER_KEY)


def integers_annotated(model: onnx.ModelProto) -> str | None:
    """QONNX's name of the integers that an annotation says the input to hold; else None."""
    return _noted(model, _ANNOTATED_KEY)


def round_input(model: onnx.ModelProto, kind: str) -> None:
    """Put a quantiser to such integers behind the input.

    It says of the float32 input what it may be.
    """
    source = model.graph.input[0].name
    inserter = Inserter(_wrapped(model), 0)
    rounded = inserter.tensor(IndexedModel(proto=model).shape(source))
    for node in model.graph.node:
        node.input[:] = [rounded if name == source else name for name in node.input]
    bits = DataType[kind].bitwidth()
    parameters = [inserter.constant(np.array(value, np.float32)) for value in (1, 0, bits)]
    inserter.node(
        "Quant",
        [source, *parameters],
        rounded,
        "integer_input",
        signed=int(DataType[kind].signed()),
        narrow=int(kind == "TERNARY"),
        rounding_mode="ROUND",
    )


def input_remarks(model: onnx.ModelProto) -> list[str]:
    """What a user should know about the graph's input."""
    indexed = IndexedModel(proto=model)
    for node in indexed.nodes:
        if node.name == _DECLARED_INPUT:
            kind, at = node.text("out_dtype", ""), indexed.floats(node, 1).item()
            return [f"input {node.input[0]} is declared {kind}: x >= {at:g} is bit 1"]
    return []


def _wrapped(model: onnx.ModelProto) -> ModelWrapper:
    return ModelWrapper(model, fix_missing_initializer_valueinfo=False)


def _annotated(model: onnx.ModelProto, tensor: str) -> str:
    """QONNX's name of what a tensor holds."""
    return str(_wrapped(model).get_tensor_datatype(tensor))


def _noted(model: onnx.ModelProto, key: str) -> str | None:
    kind = next((one.value for one in model.graph.metadata_props if one.key == key), None)
    return kind if kind in _INTEGERS else None
