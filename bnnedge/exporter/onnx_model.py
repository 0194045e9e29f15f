"""PyTorch → QONNX: one deterministic file that takes raw inputs."""

import ast
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import onnx
import torch
from brevitas.export import export_qonnx

from bnnedge.models.mlp import Mlp
from bnnedge.ops.normalisation import Affine, AffineBatchNorm

INPUT, OUTPUT = "input", "logits"
ENCODING_KEY = "bnnedge.encoding"
_SCOPES = "pkg.torch.onnx.name_scopes"


def to_qonnx(model: Mlp, encoding: str) -> onnx.ModelProto:
    """The QONNX graph of a network in evaluation mode.

    Args:
        model: the network.
        encoding: what its input encoding is called; kept as the file's only metadata.

    Input "input" float32 (1, *input_shape), output "logits" float32 (1, classes); no node depends
    on the batch size, so changing the first dimension of both is enough to run a batch. Nodes and
    their outputs are named after the layer they come from, e.g. "hidden.0.linear"; a BatchNorm is
    "hidden.0.norm.scale" (`Mul`) and "hidden.0.norm.shift" (`Add`), which round as PyTorch's
    evaluation does (see `bnnedge.ops.normalisation`). Time stamps, paths and stack traces that
    torch leaves in the file are removed: the same weights give the same bytes.
    """
    frozen = _with_affine_norms(model)
    batch = torch.export.Dim("batch")
    with _quiet():
        exported: onnx.ModelProto = export_qonnx(
            frozen,
            torch.zeros(2, *model.input_shape),
            dynamo=True,
            optimize=True,
            dynamic_shapes=({0: batch},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    _rename(exported)
    _clean(exported)
    exported.metadata_props.add(key=ENCODING_KEY, value=encoding)
    onnx.checker.check_model(exported)
    return exported


def _with_affine_norms(model: Mlp) -> Mlp:
    """A copy of `model` whose BatchNorms are constants: the same numbers, evaluated alike."""
    frozen = copy.deepcopy(model).eval()
    for parent in list(frozen.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, AffineBatchNorm):
                setattr(parent, name, Affine(*child.scale_and_shift()))
    return frozen


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
    """Name nodes, their outputs and the weights after the layers of the network."""
    names: dict[str, str] = {}
    for node in model.graph.node:
        name = _layer_name(node)
        count = sum(name == taken.partition("#")[0] for taken in names.values())
        name = f"{name}#{count}" if count else name
        node.name = name
        if node.output[0] != OUTPUT:
            names[node.output[0]] = name
        if name.endswith(".weight_quant"):
            names[node.input[0]] = name.removesuffix("_quant")
            names[node.input[1]] = "bipolar_scale"
        if node.op_type in ("Reshape", "Unsqueeze"):
            names[node.input[1]] = f"{name}.shape"
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.initializer, *model.graph.value_info):
        value.name = names.get(value.name, value.name)


def _layer_name(node: onnx.NodeProto) -> str:
    """E.g. "hidden.0.linear", "hidden.0.linear.weight_quant", "hidden.0.norm.mul"."""
    scopes = next(entry.value for entry in node.metadata_props if entry.key == _SCOPES)
    layers = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
    if node.op_type == "BipolarQuant":
        return str(next(s for s in layers if s.endswith((".weight_quant", ".sign"))))
    return str(layers[-1]) if node.op_type == "Gemm" else f"{layers[-1]}.{node.op_type.lower()}"


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
