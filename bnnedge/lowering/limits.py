"""What a model file may hold: looked at in Python before any C++ code works on it.

ONNX's shape inference and inliner, and onnxruntime, take a model at its word: a stride of 0 ends
the process, and so does a function that calls itself.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from bnnedge.dataflow.streams import MOST_ELEMENTS
from bnnedge.errors import LoweringError
from bnnedge.lowering.foreign_ops import why_refused
from bnnedge.lowering.vocabulary import called

MAX_BYTES = 1 << 30  # a 3×4096 MLP in float32 is 210 MB
MOST_NODES = 10_000
_MOST_DEPTH = 64  # of functions that call functions
_MOST_AXES = 16
_MOST_CHARACTERS = 500  # of a name
_MOST_AMOUNT = 1 << 24  # a stride, a kernel or a padding
_POSITIVE = {
    *("strides", "stride", "dilations", "kernel_shape", "kernel_size", "group", "groups"),
    *("num_groups", "blocksize", "num_outputs", "hidden_size", "size", "output_shape", "k"),
}
_NOT_NEGATIVE = {"output_padding", "pad_amount"}
_BITS = {
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 32),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64"), 64),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 16),
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"), 8),
    **dict.fromkeys(("INT4", "UINT4"), 4),
}
_TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def external_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """All tensors whose data lies in other files: onnx reads those of nodes, too."""

    def tensors_of(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
        for node in nodes:
            for given in node.attribute:
                yield from (given.t, *given.tensors)
                for graph in (given.g, *given.graphs):
                    yield from (*graph.initializer, *tensors_of(graph.node))

    yield from filter(uses_external_data, model.graph.initializer)
    for owner in (model.graph, *model.functions):
        yield from filter(uses_external_data, tensors_of(owner.node))


def check_external(model: onnx.ModelProto, folder: Path) -> None:
    """Check the tensors that lie in files beside the model, before these are read.

    Raises:
        LoweringError: a file has more or less than a tensor takes, or all take too much.
    """
    total = 0
    for tensor in external_tensors(model):
        wanted = tensor_bytes(tensor)
        what = f"constant {_shown(tensor.name)}"
        try:
            info = ExternalDataInfo(tensor)
            offset = int(info.offset or 0)
            file = folder / info.location
            if not file.resolve().is_relative_to(folder.resolve()):
                raise LoweringError(
                    f"{what}: its external data cannot be read: {_shown(info.location)} is not in"
                    f" {folder}",
                    remedy="put the .data file beside the model",
                )
            size = file.stat().st_size
            there = size - offset if info.length is None else int(info.length)
        except (TypeError, ValueError) as error:
            raise LoweringError(f"{what}: where its data lies is damaged ({error})") from error
        if offset < 0 or there != wanted or offset + there > size:
            raise LoweringError(
                f"{what}: its shape takes {wanted} bytes, {there} from {offset} on are said to be"
                f" in {info.location!r}, which has {size}"
            )
        total += wanted
    if total > MAX_BYTES:
        raise LoweringError(f"the constants take {total >> 20} MiB, wanted {MAX_BYTES >> 20}")


def check_functions(model: onnx.ModelProto) -> None:
    """Check what the inliner will do with a model's own functions.

    Raises:
        LoweringError: a function calls itself, is there twice, or inlining gives too many nodes.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    if len(functions) < len(model.functions):
        raise LoweringError("the graph has two functions of one name")
    sizes: dict[tuple[str, str, str], int] = {}  # of a body when all is inlined; 0: under way

    def size_of(nodes: Iterable[onnx.NodeProto]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            if key not in functions:
                total += 1
                continue
            if sizes.get(key) == 0:
                raise LoweringError(f"{called(node)}: the function calls itself")
            if key not in sizes:
                if sum(not size for size in sizes.values()) >= _MOST_DEPTH:
                    raise LoweringError(f"{called(node)}: functions call each other too deeply")
                sizes[key] = 0
                sizes[key] = max(1, size_of(functions[key].node))
            total += sizes[key]
        return total

    for function in model.functions:
        _check_nodes(function.node)
    _check_nodes(model.graph.node)
    count = size_of(model.graph.node)
    if count > MOST_NODES:
        raise LoweringError(f"the graph has {count} nodes, wanted at most {MOST_NODES}")


def check_graph(graph: onnx.GraphProto) -> None:
    """Check a graph without functions.

    Raises:
        LoweringError: there are too many nodes, a name is no text or is there twice, a constant
            does not have the numbers that it announces, or an attribute or the input's size has no
            meaning.
    """
    _check_nodes(graph.node)
    if graph.sparse_initializer:
        raise LoweringError(
            "the graph has sparse constants, wanted dense ones", remedy="store dense tensors"
        )
    for what, values in (
        ("constant", graph.initializer),
        ("input", graph.input),
        ("output", graph.output),
    ):
        names = [value.name for value in values]
        for name, count in Counter(names).items():
            _check_name(name)
            if count > 1:
                raise LoweringError(f"the graph has {count} {what}s called {_shown(name)}")
    for tensor in graph.initializer:
        _check_tensor(tensor, f"constant {_shown(tensor.name)}")
    for value in (*graph.input, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) > _MOST_AXES or math.prod(max(1, dim) for dim in dims) > MOST_ELEMENTS:
            raise LoweringError(
                f"{_shown(value.name)}: wanted at most {MOST_ELEMENTS} elements, got shape"
                f" {dims[:_MOST_AXES]}"
            )


def check_shapes(graph: onnx.GraphProto) -> None:
    """Check the sizes of all tensors, once they are inferred.

    Raises:
        LoweringError: a tensor is larger than anything that an FPGA streams; names it.
    """
    for value in (*graph.value_info, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if math.prod(max(1, dim) for dim in dims) > MOST_ELEMENTS:
            raise LoweringError(
                f"tensor {_shown(value.name)}: wanted at most {MOST_ELEMENTS} elements,"
                f" got shape {dims}"
            )


def tensor_bytes(tensor: TensorProto) -> int:
    """Bytes that a tensor of the announced type and shape takes.

    Raises:
        LoweringError: no tensor has this type or shape.
    """
    what = f"constant {_shown(tensor.name)}"
    try:
        kind = TensorProto.DataType.Name(tensor.data_type)
    except ValueError:
        kind = str(tensor.data_type)
    if kind not in _BITS:
        raise LoweringError(f"{what}: wanted numbers, got type {kind}", remedy="store numbers only")
    if len(tensor.dims) > _MOST_AXES or any(dim < 0 for dim in tensor.dims):
        raise LoweringError(
            f"{what}: no array has shape {list(tensor.dims[:_MOST_AXES])}", remedy="export it again"
        )
    bits: int = math.prod(tensor.dims) * _BITS[kind]
    return (bits + 7) // 8


def _check_tensor(tensor: TensorProto, what: str) -> None:
    """A tensor that holds its numbers itself must hold as many as it announces."""
    wanted = tensor_bytes(tensor)
    if tensor.HasField("segment"):
        raise LoweringError(
            f"{what}: wanted a whole tensor, got a segment", remedy="export it again"
        )
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != wanted:
            raise LoweringError(
                f"{what} is damaged: its shape {list(tensor.dims)} takes {wanted} bytes,"
                f" {len(tensor.raw_data)} are there",
                remedy="export it again, or fetch the file again",
            )
        return
    held = sum(len(getattr(tensor, field)) for field in _TYPED)
    count = math.prod(tensor.dims)
    if held != count and not (wanted < count and held == wanted):  # two of 4 bits share a number
        raise LoweringError(
            f"{what} is damaged: its shape {list(tensor.dims)} takes {count} numbers,"
            f" {held} are there",
            remedy="export it again, or fetch the file again",
        )


def _check_nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for count, node in enumerate(nodes):
        if count >= MOST_NODES:
            raise LoweringError(f"the graph has more than {MOST_NODES} nodes")
        for name in (node.name, node.op_type, node.domain, *node.input, *node.output):
            _check_name(name)
        if not node.op_type:
            raise LoweringError(f"node {_shown(node.name)} has no op")
        names = [given.name for given in node.attribute]
        if len(set(names)) < len(names):
            raise LoweringError(
                f"{called(node)}: an attribute is given twice", remedy="export it again"
            )
        for given in node.attribute:
            _check_attribute(node, given)


def _check_attribute(node: onnx.NodeProto, given: onnx.AttributeProto) -> None:
    _check_name(given.name)
    what = f"{called(node)}: {given.name}"
    if given.type == onnx.AttributeProto.UNDEFINED or not _has_own_type(node, given):
        raise LoweringError(f"{what}: has no type, or another one than ONNX gives it")
    if given.HasField("g") or given.graphs:
        why, remedy = why_refused("Loop", 1, ())
        raise LoweringError(f"{called(node)}: {why}", remedy=remedy)
    if given.HasField("sparse_tensor") or given.sparse_tensors:
        raise LoweringError(
            f"{called(node)}: wanted a dense tensor of numbers",
            remedy="store dense tensors of numbers",
        )
    for tensor in (*([given.t] if given.HasField("t") else []), *given.tensors):
        _check_tensor(tensor, what)
    if node.op_type == "Pad":  # crops by less than 0
        least = -_MOST_AMOUNT
    elif given.name in _POSITIVE:
        least = 1
    elif given.name == "pads" or given.name in _NOT_NEGATIVE:
        least = 0
    else:
        return
    amounts = list(given.ints) if given.ints else [given.i] if given.HasField("i") else []
    if any(not least <= amount <= _MOST_AMOUNT for amount in amounts):
        raise LoweringError(
            f"{what}: wanted {least} to {_MOST_AMOUNT}, got {', '.join(map(str, amounts[:8]))}",
            remedy="export it again; crop with a Slice, or in front of the network",
        )


def _has_own_type(node: onnx.NodeProto, given: onnx.AttributeProto) -> bool:
    """Whether an attribute has the type that ONNX gives it, where it knows the attribute."""
    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
        return True
    known = onnx.defs.get_schema(node.op_type).attributes.get(given.name)
    wanted: object = None if known is None else known.type
    return wanted in (None, given.type)


def _check_name(name: str | bytes) -> None:
    """Names that are no text come from damaged files; errors could not even print them."""
    if isinstance(name, bytes) or not name.isprintable() or len(name) > _MOST_CHARACTERS:
        raise LoweringError(
            f"the graph is damaged: {_shown(name)} is no name",
            remedy="export it again, or fetch the file again",
        )


def _shown(name: str | bytes) -> str:
    return ascii(name[:80])
