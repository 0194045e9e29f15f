"""Reading a model file: every way in which it can be broken is one line that names it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto
from onnx.external_data_helper import (
    ExternalDataInfo,
    load_external_data_for_model,
)
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveUniqueParameterTensors,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
    SortGraph,
)
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.remove import RemoveUnusedNodes
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError
from bnnedge.filekinds import ONNX, refuse_other_file
from bnnedge.files import read_bytes_bounded
from bnnedge.lowering.execute import QONNX_DOMAIN, cause_of
from bnnedge.lowering.fit import check_fit, check_windows
from bnnedge.lowering.foreign_ops import why_domain_refused
from bnnedge.lowering.guard import guarded
from bnnedge.lowering.limits import (
    MAX_BYTES,
    check_external,
    check_functions,
    check_graph,
    check_shapes,
    external_tensors,
)
from bnnedge.lowering.obstacles import check_network
from bnnedge.lowering.passes.binarise_input import DECLARED_INPUT, BinariseInput
from bnnedge.lowering.passes.edit import Inserter
from bnnedge.lowering.vocabulary import ELEMENTWISE, RESHAPING, attribute, called
from bnnedge.lowering.windows import resolve_ceil_mode
from bnnedge.lowering.wire import parsed_bytes

_TIDY_BYTES = 1 << 30  # that cleaning up may take, and as much again for each of
_TIDY_COPIES = 8  # copies of the model: qonnx' passes copy it
_TIDY_SECONDS = 600  # of a large model, which is quadratic in its nodes
ENCODING_KEY = "bnnedge.encoding"
_INTEGER_KEY = "bnnedge.integer_input"
_QONNX_ALIASES = {"finn", "finn.custom_op.general", "onnx.brevitas", QONNX_DOMAIN}
_MODEL = onnx.ModelProto.DESCRIPTOR
_QONNX_OPS = {
    *("BipolarQuant", "MultiThreshold", "XnorPopcountMatMul"),
    *("Quant", "IntQuant", "Trunc", "FloatQuant"),
}
_OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside `path` that hold its external tensors; empty if it cannot be read."""
    try:
        names = {
            ExternalDataInfo(tensor).location for tensor in external_tensors(_parse_file(path))
        }
    except Exception:
        return ()
    folder = path.parent
    files = [folder / name for name in sorted(names) if (folder / name).is_file()]
    return tuple(file for file in files if file.resolve().is_relative_to(folder.resolve()))


def _parse_file(path: Path) -> onnx.ModelProto:
    """The model without its external data. Raises LoweringError where it is too large."""
    content = read_bytes_bounded(path, MAX_BYTES, raises=LoweringError)
    most = MAX_BYTES + len(content)
    if parsed_bytes(memoryview(content), _MODEL, most=most) > most:
        raise LoweringError(f"{path}: takes more than {most >> 20} MiB of memory to read")
    return onnx.load_from_string(content)


def read(path: Path) -> ModelWrapper:
    """The graph in a file, cleaned up by qonnx: batch 1, shapes inferred, constants folded.

    Raises:
        LoweringError: the file is missing, truncated, too large, not ONNX, of an unknown opset, or
            has no static shapes.
    """
    return tidy(_parse(path))


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise LoweringError(f"{path}: no such file")
    size = path.stat().st_size + sum(file.stat().st_size for file in external_files(path))
    if size > MAX_BYTES:
        raise LoweringError(f"{path}: {size >> 20} MiB is more than {MAX_BYTES >> 20} MiB")
    try:
        model = _parse_file(path)
        check_external(model, path.parent)
        load_external_data_for_model(model, str(path.parent))
    except (OSError, onnx.checker.ValidationError) as error:
        for file in external_files(path):
            refuse_other_file(file, LoweringError, f"the external data of {path.name}")
        raise LoweringError(
            f"{path}: its external data cannot be read ({_line(error)})",
            remedy="put the .data file beside the model",
        ) from error
    except LoweringError:
        refuse_other_file(path, LoweringError, ONNX)
        for file in external_files(path):
            refuse_other_file(file, LoweringError, f"the external data of {path.name}")
        raise
    except Exception as error:
        refuse_other_file(path, LoweringError, ONNX)
        raise LoweringError(
            f"{path} is not an ONNX model, or truncated ({_line(error)})",
            remedy="export it again (torch.onnx.export, export_qonnx), or fetch it again",
        ) from error
    if not model.graph.node or not model.graph.output:
        refuse_other_file(path, LoweringError, ONNX)
        raise LoweringError(
            f"{path} is not an ONNX model, or truncated: its graph is empty",
            remedy="export the network again; wanted at least one node and one output",
        )
    return model


def input_remarks(model: ModelWrapper) -> list[str]:
    """What a user should know about the graph's input."""
    for node in model.graph.node:
        if node.name == DECLARED_INPUT:
            kind = get_by_name(node.attribute, "out_dtype").s.decode()
            at = model.get_initializer(node.input[1]).item()
            return [f"input {node.input[0]} is declared {kind}: x >= {at:g} is bit 1"]
    return []


def encoding_name(model: ModelWrapper) -> str | None:
    """What the exporter calls the input encoding, if it says so in the file's metadata."""
    for entry in model.model.metadata_props:
        if entry.key == ENCODING_KEY:
            return str(entry.value)
    return None


def tidy(model: onnx.ModelProto) -> ModelWrapper:
    """Clean up a parsed model; see `read`. `model` is not changed."""
    check_functions(model)
    tidied = guarded(
        lambda: _tidied(model),
        most_bytes=_TIDY_BYTES + _TIDY_COPIES * model.ByteSize(),
        most_seconds=_TIDY_SECONDS,
        what="the graph",
    )
    wrapper = ModelWrapper(onnx.load_from_string(tidied), fix_missing_initializer_valueinfo=False)
    check_shapes(wrapper.graph)
    return wrapper


def _tidied(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(_clean_up(model).model.SerializeToString())
    except (LoweringError, MemoryError):
        raise
    except Exception as error:
        # qonnx, onnx and protobuf raise whatever they trip over.
        raise LoweringError(
            f"the graph is not valid ONNX: {_line(error)}",
            remedy="export it again; onnx.checker may say what is wrong with it",
        ) from error


def _clean_up(model: onnx.ModelProto) -> ModelWrapper:
    copy = onnx.ModelProto()
    copy.CopyFrom(onnx.inliner.inline_local_functions(model) if model.functions else model)
    check_graph(copy.graph)
    _check_opset(copy)
    _name_nodes(copy.graph)
    _normalise_domains(copy)
    _constants_to_initializers(copy.graph)
    check_network(copy)
    _write_kernel_shapes(copy.graph)
    wrapper = ModelWrapper(copy, fix_missing_initializer_valueinfo=False)
    wrapper = wrapper.transform(RemoveStaticGraphInputs(), make_deepcopy=False)
    wrapper = wrapper.transform(SortGraph())
    given = tuple(dim.dim_value for dim in wrapper.graph.input[0].type.tensor_type.shape.dim)
    _fix_batch(wrapper)
    wrapper = wrapper.transform(InferShapes())
    check_shapes(wrapper.graph)
    check_windows(wrapper)
    _resolve_ceil_modes(wrapper)
    # Weights behind a BipolarQuant, a Sign or a Transpose are constants like any other.
    wrapper = wrapper.transform(FoldConstants(exclude_op_types=[]))
    wrapper = wrapper.transform(InferShapes())
    # Passes change a layer's constants; another layer may share them.
    wrapper = wrapper.transform(GiveUniqueParameterTensors())
    wrapper = wrapper.transform(RemoveUnusedNodes())
    wrapper = wrapper.transform(RemoveUnusedTensors())
    check_fit(wrapper, given)
    wrapper = wrapper.transform(BinariseInput())
    # Annotations are claims; what lowering relies on, it derives.
    del wrapper.graph.quantization_annotation[:]
    return wrapper


def _check_opset(model: onnx.ModelProto) -> None:
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    version = opsets.get("", opsets.get("ai.onnx", 0))
    if version not in _OPSETS:
        raise LoweringError(
            f"the graph is of ONNX opset {version}, wanted {_OPSETS.start} to {_OPSETS.stop - 1}",
            remedy="export it with opset_version=17, or convert it with onnx.version_converter",
        )
    # qonnx reads the first entry as ONNX's own.
    others = [(o.domain, o.version) for o in model.opset_import if o.domain not in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", version))
    for domain, other in others:
        model.opset_import.append(onnx.helper.make_opsetid(domain, other))


def _name_nodes(graph: Any) -> None:
    """Keep the exporter's node names, which errors cite; name the nameless, split duplicates."""
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        name = node.name or f"{node.op_type}_{index}"
        node.name = name if name not in taken else f"{name}_{index}"
        taken.add(node.name)


def _normalise_domains(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type in _QONNX_OPS and node.domain in _QONNX_ALIASES:
            node.domain = QONNX_DOMAIN
        elif node.domain == "ai.onnx":
            node.domain = ""
        if node.domain not in ("", QONNX_DOMAIN):
            why, remedy = why_domain_refused(node.domain)
            raise LoweringError(f"{called(node)}: {why}", remedy=remedy)
    if QONNX_DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(QONNX_DOMAIN, 2))


def _constants_to_initializers(graph: Any) -> None:
    """torch's older exporter writes Constant nodes; `_rebatch` looks for initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute]:
        attribute = node.attribute[0]
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name in ("value_float", "value_floats"):
            value = onnx.numpy_helper.from_array(np.asarray(value, np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            value = onnx.numpy_helper.from_array(np.asarray(value, np.int64))
        elif attribute.name != "value":
            raise LoweringError(
                f"{called(node)}: wanted a dense tensor of numbers, got {attribute.name}",
                remedy="store dense tensors of numbers",
            )
        value.name = node.output[0]
        graph.initializer.append(value)
        graph.node.remove(node)


def _write_kernel_shapes(graph: Any) -> None:
    """Let every Conv by constants say its kernel's shape: onnx compares it with the data's rank.

    Without it, shape inference reads beyond the data's dimensions.
    """
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        known = [name for name in node.input if name in sizes]
        if node.op_type == "Conv" and len(node.input) > 1 and node.input[1] in sizes:
            size = sizes[node.input[1]]
            if len(size) < 3:
                raise LoweringError(
                    f"{called(node)}: wanted 4 weight dimensions, got {len(size)}",
                    remedy="wanted kernels (output channels, input channels, H, W)",
                )
            if get_by_name(node.attribute, "kernel_shape") is None:
                node.attribute.append(onnx.helper.make_attribute("kernel_shape", list(size[2:])))
        elif node.op_type in ELEMENTWISE and known == [name for name in node.input if name]:
            sizes[node.output[0]] = max((sizes[name] for name in known), key=math.prod)


def _fix_batch(model: ModelWrapper) -> None:
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
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


def _resolve_ceil_modes(model: ModelWrapper) -> None:
    """From the first pool on, for the sizes behind a pool depend on it."""
    while True:
        pools = [node for node in model.graph.node if attribute(node, "ceil_mode", 0)]
        shape = model.get_tensor_shape(pools[0].input[0]) if pools else None
        if not pools or not shape or len(shape) != 4:
            return
        resolve_ceil_mode(model, pools[0])
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
        model.model.CopyFrom(model.transform(InferShapes()).model)


def _cast_input(model: ModelWrapper) -> None:
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
        model.set_metadata_prop(_INTEGER_KEY, kind)
    if kind == "BOOL":
        model.set_tensor_datatype(value.name, DataType["BINARY"])


def declared_integers(model: ModelWrapper) -> str | None:
    """UINT8 or INT8 where the file declares the input to be that; else None."""
    kind = model.get_metadata_prop(_INTEGER_KEY)
    return None if kind is None else str(kind)


def round_integer_input(model: ModelWrapper) -> None:
    """Put a quantiser behind an input that the file declares to be 8-bit integers.

    It changes nothing for these integers, and says of the float32 input what it may be.
    """
    kind = declared_integers(model)
    source = model.graph.input[0].name
    inserter = Inserter(model, 0)
    rounded = inserter.tensor(list(model.get_tensor_shape(source)))
    for node in model.find_consumers(source) or []:
        node.input[:] = [rounded if name == source else name for name in node.input]
    parameters = [inserter.constant(np.array(value, np.float32)) for value in (1, 0, 8)]
    inserter.node(
        "Quant",
        [source, *parameters],
        rounded,
        "integer_input",
        signed=int(kind == "INT8"),
        narrow=0,
        rounding_mode="ROUND",
    )


def _rebatch(model: ModelWrapper, before: int) -> None:
    """A model exported with a batch of `before` > 1 has it in constants, too: set it to 1 there.

    It is in the shapes of Reshape nodes, and in folded constants such as `torch.ones_like(x)`.
    """
    data = {model.graph.input[0].name}  # weights may be reshaped, too, and have `before` rows
    for node in model.graph.node:
        if before < 2 or not data & set(node.input):
            continue
        data.update(node.output)
        for name in node.input:
            value = model.get_initializer(name)
            if value is None or not value.size or value.ndim == 0:
                continue
            if node.op_type == "Reshape" and value[0] == before:
                model.set_initializer(name, np.array([1, *value[1:]], np.int64))
                continue
            rows = node.op_type in ELEMENTWISE and value.ndim > 1 and len(value) == before
            if rows and (value == value[:1]).all():
                model.set_initializer(name, value[:1].copy())


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {cause_of(error)}"
