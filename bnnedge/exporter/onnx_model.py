"""PyTorch → QONNX: one deterministic file that takes raw inputs."""

import ast
import io
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import onnx
import torch
from brevitas.export import export_qonnx
from torch import nn

from bnnedge.custom_op import add_functions
from bnnedge.dataflow.meaning import Meaning
from bnnedge.errors import ExportError
from bnnedge.models.network import Network
from bnnedge.models.numbers import REMEDY, wrong_number, wrong_scale
from bnnedge.ops.frozen import frozen

INPUT, OUTPUT = "input", "logits"
ENCODING_KEY, MEANING_KEY, NAME_KEY = "bnnedge.encoding", "bnnedge.meaning", "bnnedge.name"
_MAIN_OPS = ("Gemm", "Conv", "LutLayer", "MaxPool")
_ROLES = {  # what a node's constant inputs are called
    "Add": ("shift", "shift"),
    "BipolarQuant": ("weight", "bipolar_scale"),
    "Gather": ("", "indices"),
    "LutLayer": ("", "wiring", "tables"),
    "Mul": ("scale", "scale"),
    "Pad": ("", "pads", "value"),
    "Quant": ("weight", "scale", "zero_point", "bits"),
    "ReduceSum": ("", "axes"),
    "Reshape": ("", "shape"),
    "Slice": ("", "starts", "ends", "axes", "steps"),
    "Sub": ("", "thresholds"),
    "Unsqueeze": ("", "shape"),
}
_SCOPES = "pkg.torch.onnx.name_scopes"


def to_qonnx(model: Network) -> onnx.ModelProto:
    """The QONNX graph of a network in evaluation mode.

    Raises:
        ExportError: a layer computes with real numbers, which no two programs add up alike, or
            holds NaN or infinity; names it. Or torch's exporter failed.

    Input "input" float32 (1, *input_shape), output "logits" float32 (1, classes); no node depends
    on the batch size, so changing the first dimension of both is enough to run a batch. Nodes and
    their outputs are named after the layer they come from, e.g. "hidden.0.linear"; a BatchNorm is
    "hidden.0.norm.scale" (`Mul`) and "hidden.0.norm.shift" (`Add`), which round as PyTorch's
    evaluation does (see `bnnedge.ops.normalisation`). The input encoding's name
    is the file's only metadata. Time stamps, paths and stack traces that torch leaves in the file
    are removed: the same weights give the same bytes.
    """
    _require_integers(model)
    _require_finite(model)
    exported = module_to_qonnx(frozen(model), model.input_shape)
    exported.metadata_props.add(key=ENCODING_KEY, value=model.input_encoding.name)
    return exported


def describe(exported: onnx.ModelProto, name: str | None, meaning: Meaning) -> None:
    """Say in a file's metadata what the network is called and what its inputs and classes mean.

    What is not known is left out.
    """
    if name is not None:
        exported.metadata_props.add(key=NAME_KEY, value=name)
    if meaning:
        exported.metadata_props.add(key=MEANING_KEY, value=json.dumps(meaning.record()))


def module_to_qonnx(constant: nn.Module, input_shape: tuple[int, ...]) -> onnx.ModelProto:
    """The same of any module of constant numbers, see `bnnedge.ops.frozen`, without metadata.

    Args:
        constant: in evaluation mode, on the CPU, without hooks.
        input_shape: of one input.

    Raises:
        ExportError: torch cannot export it.
    """
    batch = torch.export.Dim("batch")
    try:
        with _quiet():
            exported: onnx.ModelProto = export_qonnx(
                constant,
                torch.zeros(2, *input_shape, dtype=torch.float32, device="cpu"),
                dynamo=True,
                optimize=True,
                dynamic_shapes=({0: batch},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
    except Exception as error:  # of many kinds, with pages of advice
        cause = error.__cause__ or error
        raise ExportError(
            f"torch cannot export {type(constant).__name__}:"
            f" {(str(cause).strip().splitlines() or [type(cause).__name__])[0][:300]}",
            remedy="forward must compute the same for every batch size, from its input alone",
        ) from error
    _drop_ceil_mode(exported.graph)
    _rename(exported)
    _clean(exported)
    add_functions(exported)
    try:
        onnx.checker.check_model(exported)
    except onnx.checker.ValidationError as error:  # torch goes on after errors of its own
        raise ExportError(
            f"torch exported no valid graph: {str(error).splitlines()[0]}",
            remedy="see that the folder for temporary files (TMPDIR) can be written and has room",
        ) from error
    return exported


def _require_integers(model: Network) -> None:
    remedy = 'set weights, activations and first_last = "binary" in [network]'
    for name, layer in model.layers.items():
        if not layer.is_binary:
            raise ExportError(f"{name} has float weights, and only ±1 export", remedy=remedy)
    for name, module in model.named_modules():
        if not isinstance(module, nn.ReLU):
            continue
        block = model.get_submodule(name.rpartition(".")[0])
        if getattr(block, "quant", None) is None:
            raise ExportError(f"{name} gives real numbers, and only signs export", remedy=remedy)


def _require_finite(model: Network) -> None:
    wrong = wrong_number(model, model.state_dict()) or wrong_scale(model)
    if wrong is not None:
        raise ExportError(wrong, remedy=REMEDY)


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter prints, warns and logs about packages that nobody asked for."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _rename(model: onnx.ModelProto) -> None:
    """Name nodes, their outputs, weights and constants after the layers of the network."""
    names: dict[str, str] = {}
    constants = {tensor.name for tensor in model.graph.initializer}
    taken: Counter[str] = Counter()
    for node in model.graph.node:
        node.name = _numbered(_layer_name(node), taken)
        if node.output[0] != OUTPUT:
            names[node.output[0]] = node.name
        owner = node.name.rpartition(".")[0] if node.op_type in ("Mul", "Add") else node.name
        if node.op_type in ("BipolarQuant", "Quant"):
            owner = owner.removesuffix(".weight_quant")
        for tensor, role in zip(node.input, _ROLES.get(node.op_type, ()), strict=False):
            if tensor in constants and tensor not in names and role:
                name = role if role == "bipolar_scale" else f"{owner}.{role}"
                names[tensor] = _numbered(name, taken)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.initializer, *model.graph.value_info):
        value.name = names.get(value.name, value.name)


def _numbered(name: str, taken: Counter[str]) -> str:
    """The name, with a number where others have it."""
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}#{taken[name] - 1}"


def _layer_name(node: onnx.NodeProto) -> str:
    """E.g. "hidden.0.linear", "hidden.0.linear.weight_quant", "hidden.0.norm.mul"."""
    scopes = next((entry.value for entry in node.metadata_props if entry.key == _SCOPES), "[]")
    layers = [str(scope) for scope in ast.literal_eval(scopes)[:-1] if scope]
    if node.op_type in ("BipolarQuant", "Quant"):
        quantisers = [s for s in layers if f".{s}".endswith((".weight_quant", ".sign"))]
        if quantisers:
            return quantisers[0]
    if node.op_type in _MAIN_OPS and layers:
        return layers[-1]
    innermost = [layer.partition(".act_quant")[0] for layer in layers[-1:]]
    return ".".join([*innermost, node.op_type.lower()])


def _drop_ceil_mode(graph: onnx.GraphProto) -> None:
    """Leave `ceil_mode` out where PyTorch gets no window more by it.

    Its last window must begin inside the image or its leading padding; ONNX's shape inference
    counts some that do not.
    """
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim][2:]
        for value in (*graph.input, *graph.value_info)
    }
    for node in graph.node:
        for ceil_mode in (a for a in node.attribute if a.name == "ceil_mode" and a.i):
            said = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            kernel, ones = said["kernel_shape"], [1] * len(said["kernel_shape"])
            spans = [
                (taps - 1) * dilation + 1
                for taps, dilation in zip(kernel, said.get("dilations", ones), strict=True)
            ]
            pads, strides = said.get("pads", [0] * 2 * len(kernel)), said.get("strides", ones)
            whole = [
                (size + pads[axis] + pads[axis + len(kernel)] - spans[axis]) // strides[axis] + 1
                for axis, size in enumerate(shapes.get(node.input[0], []))
            ]
            if whole == shapes.get(node.output[0]):
                ceil_mode.i = 0


def _clean(model: onnx.ModelProto) -> None:
    """Leave the graph alone: no traces of the machine, intermediate shapes or spare tensors."""
    graph = model.graph
    graph.name = "bnnedge"
    for holder in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    del graph.value_info[:]
    used = {name for node in graph.node for name in node.input}
    kept = sorted((i for i in graph.initializer if i.name in used), key=lambda i: i.name)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_value = 1
