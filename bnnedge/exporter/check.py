"""The exported graph against PyTorch: equality of every stream, and of every threshold decision.

Comparing outputs on inputs would miss a rounding difference that no input of the set provokes.
So the normalisation of every channel is also compared on every accumulator it can ever see:
MW + 1 values a layer, which is few enough to try them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from bnnedge.errors import ExportError
from bnnedge.exporter.onnx_model import INPUT, OUTPUT
from bnnedge.models.mlp import HiddenLayer, Mlp, OutputLayer
from bnnedge.ops.linear import BinaryLinear

Floats = NDArray[np.float32]

_BATCH = 1000


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


def compare_streams(model: Mlp, graph: onnx.ModelProto, inputs: Floats) -> Compared:
    """Compare every layer's stream of the graph with PyTorch's, on all inputs.

    Args:
        model: the network in evaluation mode.
        graph: what `to_qonnx` made of it.
        inputs: raw inputs float32 (N, *input_shape).

    Raises:
        ExportError: two differ; names the layer, the channel and the input.
    """
    numbers = 0
    accumulators, logits = [], []
    for start in range(0, len(inputs), _BATCH):
        batch = inputs[start : start + _BATCH]
        exported = execute(graph, batch)
        streams = model.trace(torch.from_numpy(batch))
        for name, stream in streams.items():
            wanted, got = stream.numpy(), exported[_tensor_of(name, graph)]
            if wanted.shape != got.shape:
                raise ExportError(f"{name}: wanted shape {wanted.shape}, got {got.shape}")
            for image, channel in np.argwhere(wanted != got)[:1]:
                raise ExportError(
                    f"{name}, channel {channel}, input {start + image}: PyTorch gives "
                    f"{wanted[image, channel]:.9g}, the exported graph {got[image, channel]:.9g}"
                )
            numbers += wanted.size
        accumulators.append(streams["output.linear"].numpy().astype(np.int32))
        logits.append(streams["output.norm"].numpy())
    return Compared(
        numbers=numbers,
        accumulators=np.concatenate(accumulators),
        logits=np.concatenate(logits),
    )


def _tensor_of(stream: str, graph: onnx.ModelProto) -> str:
    """The tensor that carries a stream of `Mlp.trace`."""
    if stream == "encoding":
        first = next(node for node in graph.graph.node if node.op_type == "Gemm")
        return str(first.input[0])
    return OUTPUT if stream == "output.norm" else stream


def compare_norms(model: Mlp, graph: onnx.ModelProto) -> int:
    """Compare every normalisation on every reachable accumulator of every channel.

    PyTorch's evaluation is compared with onnxruntime's of the exported nodes, in value and
    therefore in sign. The output's must also keep accumulators apart and in order, so that
    the largest accumulator and the largest logit are the same class.

    Returns:
        How many (channel, accumulator) pairs were compared.

    Raises:
        ExportError: a weight is not ±1, a pair differs, or two accumulators get one logit;
            names it.
    """
    compared = 0
    layers = {f"hidden.{index}": layer for index, layer in enumerate(model.hidden)}
    for name, layer in {**layers, "output": model.output}.items():
        assert isinstance(layer, HiddenLayer | OutputLayer)
        linear: BinaryLinear = layer.linear
        for row, synapse in torch.argwhere(linear.bipolar_weight().abs() != 1)[:1].tolist():
            raise ExportError(f"{name}.linear: weight [{row}, {synapse}] is not ±1")
        synapses = linear.in_features
        accumulators = np.arange(-synapses, synapses + 1, 2, dtype=np.float32)
        batch = np.repeat(accumulators[:, None], linear.out_features, axis=1)
        with torch.no_grad():
            wanted = layer.norm(torch.from_numpy(batch)).numpy()
        got = _run_norm(graph, name, batch)
        for index, channel in np.argwhere(wanted != got)[:1]:
            raise ExportError(
                f"{name}.norm, channel {channel}, accumulator {accumulators[index]:.0f}: PyTorch "
                f"gives {wanted[index, channel]:.9g}, the exported graph {got[index, channel]:.9g}"
            )
        if isinstance(layer, OutputLayer):
            for index in np.flatnonzero(np.diff(wanted[:, 0]) <= 0)[:1]:
                raise ExportError(
                    f"{name}.norm: accumulators {accumulators[index]:.0f} and "
                    f"{accumulators[index + 1]:.0f} get logits {wanted[index, 0]:.9g} and "
                    f"{wanted[index + 1, 0]:.9g}, which are not in order",
                    remedy="the output scale must be positive and not tiny beside its shift",
                )
        compared += batch.size
    return compared


def _run_norm(graph: onnx.ModelProto, layer: str, batch: Floats) -> Floats:
    """The exported normalisation of a layer, run alone by onnxruntime."""
    nodes = [node for node in graph.graph.node if node.name.startswith(f"{layer}.norm.")]
    needed = {name for node in nodes for name in node.input}
    float32 = TensorProto.FLOAT
    alone = helper.make_graph(
        nodes,
        layer,
        [helper.make_tensor_value_info(nodes[0].input[0], float32, batch.shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], float32, batch.shape)],
        [tensor for tensor in graph.graph.initializer if tensor.name in needed],
    )
    model = helper.make_model(alone, opset_imports=graph.opset_import, ir_version=graph.ir_version)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: Floats = session.run(None, {nodes[0].input[0]: batch})[0]
    return result
