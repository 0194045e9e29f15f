"""The exported graph against PyTorch: equality of every stream, and of every threshold decision.

Comparing outputs on inputs would miss a rounding difference that no input of the set provokes.
So the normalisation of every channel is also compared on every accumulator it can ever see:
integers between bounds that the layer's inputs and weights set, which are few enough to try them
all.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from bnnedge.equality import first_difference
from bnnedge.errors import ExportError
from bnnedge.exporter.onnx_model import INPUT
from bnnedge.models.layers import WeightedLayer
from bnnedge.models.network import Network
from bnnedge.ops.normalisation import ScalarNorm
from bnnedge.ops.quantisers import Sign

Floats = NDArray[np.float32]

_MOST_IMAGES = 1000
_MOST_NUMBERS = 2**24  # of a batch's streams, in PyTorch and again in the graph
_PAIRS = 2**22


def execute(graph: onnx.ModelProto, inputs: Floats) -> Mapping[str, Floats]:
    """Every tensor of a QONNX graph, executed node by node with qonnx, on a batch of inputs."""
    sized = onnx.ModelProto()
    sized.CopyFrom(graph)
    for value in (*sized.graph.input, *sized.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = len(inputs)
    wrapper = ModelWrapper(sized).transform(InferShapes())
    tensors: Mapping[str, Floats] = execute_onnx(wrapper, {INPUT: inputs}, True)
    return tensors


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """What PyTorch and the graph agree on.

    Attributes:
        numbers: how many numbers were compared.
        accumulators: of the last layer, int32 (N, classes).
        logits: float32 (N, classes).
    """

    numbers: int
    accumulators: NDArray[np.int32]
    logits: Floats


def compare_streams(model: Network, graph: onnx.ModelProto, inputs: Floats) -> Compared:
    """Compare every layer's stream of the graph with PyTorch's, on all inputs.

    Args:
        model: the network in evaluation mode.
        graph: what `to_qonnx` made of it.
        inputs: raw inputs float32 (N, *input_shape).

    Raises:
        ExportError: the network is in training mode, or two differ; names the layer, the place in
            it and the input.
    """
    _require_evaluation(model)
    sizes = [stream[0].numel() for stream in model.trace(torch.from_numpy(inputs[:1])).values()]
    images = max(1, min(_MOST_IMAGES, _MOST_NUMBERS // sum(sizes)))
    numbers = 0
    accumulators, logits = [], []
    for start in range(0, len(inputs), images):
        batch = inputs[start : start + images]
        exported = execute(graph, batch)
        streams = model.trace(torch.from_numpy(batch))
        for name, stream in streams.items():
            wanted, got = stream.numpy(), exported[_tensor_of(name, graph)]
            if wanted.shape != got.shape:
                raise ExportError(f"{name}: wanted shape {wanted.shape}, got {got.shape}")
            found = first_difference(wanted, got, channel_axis=1)
            if found is not None:
                pixel = f", pixel {found.pixel}" if found.pixel else ""
                place = f"channel {found.channel}{pixel}, input {start + found.image}"
                raise ExportError(
                    f"{name}, {place}: PyTorch gives {found.wanted:.9g},"
                    f" the exported graph {found.got:.9g}"
                )
            numbers += wanted.size
        *_, sums, last = streams.values()
        accumulators.append(sums.flatten(1).numpy().astype(np.int32))
        logits.append(last.numpy())
    return Compared(
        numbers=numbers,
        accumulators=np.concatenate(accumulators),
        logits=np.concatenate(logits),
    )


def _require_evaluation(model: Network) -> None:
    for name, module in model.named_modules():
        if module.training:
            raise ExportError(
                f"{name or 'the network'} ({type(module).__name__}) is in training mode, and its"
                " export in evaluation mode",
                remedy="call model.eval() first",
            )


def _tensor_of(stream: str, graph: onnx.ModelProto) -> str:
    """The tensor that carries a stream of `Network.trace`: what its layer's last node gives."""
    nodes = [
        node
        for node in graph.graph.node
        if f"{node.name}.".startswith(f"{stream}.") and not node.name.endswith(".weight_quant")
    ]
    if nodes:
        return str(nodes[-1].output[0])
    if stream.endswith(".sign"):
        return _signs_into(stream.removesuffix(".sign"), graph)
    return INPUT  # a layer that leaves its input as it is has no node


def _signs_into(layer: str, graph: onnx.ModelProto) -> str:
    """The signs that a layer multiplies; the exporter merges those of two layers on one input."""
    producers = {output: node for node in graph.graph.node for output in node.output}
    node = next(node for node in graph.graph.node if node.name == layer)
    while node.op_type != "BipolarQuant":
        node = producers[node.input[0]]
    return str(node.output[0])


@dataclass(frozen=True, kw_only=True)
class ComparedNorms:
    """What PyTorch and the graph agree on.

    Attributes:
        pairs: how many (channel, accumulator) pairs were compared.
        ties: by layer, how many of its pairs give a sign an exact 0; layers with none are left out.
    """

    pairs: int
    ties: Mapping[str, int]


def compare_norms(model: Network, graph: onnx.ModelProto) -> ComparedNorms:
    """Compare every normalisation on every reachable accumulator of every channel.

    PyTorch's evaluation is compared with onnxruntime's of the exported nodes, in value and
    therefore in sign. The output's must also keep accumulators apart and in order, so that
    the largest accumulator and the largest logit are the same class.

    Raises:
        ExportError: the network is in training mode, a weight differs, a pair differs, or two
            accumulators get one logit; names it.
    """
    _require_evaluation(model)
    pairs, ties = 0, Counter[str]()
    for name, layer in model.layers.items():
        _check_weights(name, layer, graph)
        signed = isinstance(getattr(model.get_submodule(name), "sign", None), Sign)
        reachable = np.array(layer.reachable(), np.float32)
        parts = -(-len(reachable) * len(layer.weights.weight) // _PAIRS)
        for values in np.array_split(reachable, parts):
            made = _compare_norm(name, layer, graph, values)
            pairs += made.size
            ties[name] += int((made == 0).sum()) if signed else 0
        if isinstance(layer.norm, ScalarNorm):
            _check_order(name, layer, reachable)
    return ComparedNorms(pairs=pairs, ties=dict(+ties))


def _check_weights(name: str, layer: WeightedLayer, graph: onnx.ModelProto) -> None:
    """Compare the weights of ±1, and maybe 0, that the graph multiplies with and PyTorch's."""
    quant = next(n for n in graph.graph.node if n.name in _names(name, ".weight_quant"))
    stored, scale = (
        numpy_helper.to_array(next(t for t in graph.graph.initializer if t.name == tensor))
        for tensor in quant.input[:2]
    )
    signs = np.where(stored >= 0, 1, -1)
    if quant.op_type == "Quant":  # to 2 bits, narrow
        signs = np.rint(stored / scale).clip(-1, 1)
    exported = signs * scale
    wanted = layer.weights.bipolar_weight().numpy()
    for place in np.argwhere(wanted != exported)[:1]:
        index = tuple(place)
        raise ExportError(
            f"{quant.name.removesuffix('.weight_quant')}: weight {place.tolist()} is "
            f"{wanted[index]:g} in PyTorch, {exported[index]:g} in the exported graph"
        )


def _names(layer: str, suffix: str) -> tuple[str, ...]:
    return tuple(f"{layer}.{weights}{suffix}" for weights in ("linear", "conv"))


def _compare_norm(
    name: str, layer: WeightedLayer, graph: onnx.ModelProto, values: Floats
) -> Floats:
    """Compare scale and normalisation of every channel on `values`; returns what they give."""
    channels = len(layer.weights.weight)
    axes = 0 if isinstance(layer.norm, ScalarNorm) else layer.weights.weight.dim() - 2
    pixel = [1] * axes
    batch = np.repeat(values[:, None], channels, axis=1).reshape(-1, channels, *pixel)
    with torch.no_grad():
        scaled = torch.from_numpy(batch)
        scale = layer.weights.weight_scale()
        if scale is not None:
            scaled = scaled * scale.reshape(-1, *pixel)
        wanted: Floats = layer.norm(scaled).numpy()
    got = _run_norm(graph, name, batch)
    for index, channel, *_ in np.argwhere(wanted != got)[:1]:
        raise ExportError(
            f"{name}.norm, channel {channel}, accumulator {values[index]:.0f}: PyTorch gives "
            f"{wanted[index, channel].item():.9g}, "
            f"the exported graph {got[index, channel].item():.9g}"
        )
    return wanted


def _run_norm(graph: onnx.ModelProto, layer: str, batch: Floats) -> Floats:
    """A layer's exported scale and normalisation, run by onnxruntime without what is between.

    Pooling in between only picks or adds accumulators, so all that arrive are in `batch` too.
    """
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if node.name in _names(layer, ".mul") or node.name.startswith(f"{layer}.norm."):
            kept = onnx.NodeProto()
            kept.CopyFrom(node)
            kept.input[0] = nodes[-1].output[0] if nodes else "batch"
            nodes.append(kept)
    needed = {name for node in nodes for name in node.input}
    float32 = TensorProto.FLOAT
    alone = helper.make_graph(
        nodes,
        layer,
        [helper.make_tensor_value_info("batch", float32, batch.shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], float32, batch.shape)],
        [tensor for tensor in graph.graph.initializer if tensor.name in needed],
    )
    model = helper.make_model(alone, opset_imports=graph.opset_import, ir_version=graph.ir_version)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: Floats = session.run(None, {"batch": batch})[0]
    return result


def _check_order(name: str, layer: WeightedLayer, accumulators: Floats) -> None:
    with torch.no_grad():
        logits = layer.norm(torch.from_numpy(accumulators[:, None])).numpy()[:, 0]
    for index in np.flatnonzero(np.diff(logits) <= 0)[:1]:
        raise ExportError(
            f"{name}.norm: accumulators {accumulators[index]:.0f} and "
            f"{accumulators[index + 1]:.0f} get logits {logits[index]:.9g} and "
            f"{logits[index + 1]:.9g}, which are not in order",
            remedy="the output scale must be positive and not tiny beside its shift",
        )
