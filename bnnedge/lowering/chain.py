"""The shape of a graph that can be lowered: input region, then layers in a chain, then a tail.

A layer is a MatMul by constants. Whatever lies between two MatMuls must act on each channel by
itself; what it computes does not matter here, because it is enumerated. Everything else is refused
by node name.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError

LINEAR = {"MatMul", "Gemm", "XnorPopcountMatMul"}
ELEMENTWISE = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Max", "Min", "Pow", "Abs", "BatchNormalization"),
    *("Relu", "LeakyRelu", "PRelu", "Clip", "HardSigmoid", "Sigmoid", "Tanh", "Elu", "Selu"),
    *("Softplus", "Softsign", "Celu", "HardSwish", "Erf", "Exp", "Log", "Sqrt", "Reciprocal"),
    *("Floor", "Ceil", "Round", "Identity", "Dropout", "Cast", "Where", "Not", "Equal"),
    *("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    *("Sign", "BipolarQuant", "MultiThreshold"),
}
RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
INPUT_ONLY = {"Concat", "Expand", "Tile", "Slice", "Gather", "Split"}
TOP1 = {"TopK", "ArgMax"}
_REASONS = {
    "Conv": "convolutions cannot be lowered yet, only fully connected layers",
    "Softmax": "it mixes channels; end the graph before it, the class stays the same",
    "LogSoftmax": "it mixes channels; end the graph before it, the class stays the same",
    "Quant": "more than one bit; wanted BipolarQuant",
    "IntQuant": "more than one bit; wanted BipolarQuant",
    "Trunc": "more than one bit; wanted BipolarQuant",
    "FloatQuant": "more than one bit; wanted BipolarQuant",
    "MaxPool": "pooling cannot be lowered yet, only fully connected layers",
    "AveragePool": "pooling cannot be lowered yet, only fully connected layers",
    "GlobalAveragePool": "pooling cannot be lowered yet, only fully connected layers",
}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A graph's nodes by their part in the network.

    Attributes:
        input: nodes from the graph's input to the first layer, topologically sorted.
        layers: the MatMul (Gemm, XnorPopcountMatMul) nodes.
        regions: regions[i] are the nodes from layer i to layer i + 1; the last one is the tail.
        top1: the TopK or ArgMax that ends the graph, if one does.
        source: name of the graph's input tensor.
        result: name of the tensor that the tail makes (before the top-1), or the last layer's.
    """

    input: tuple[Any, ...]
    layers: tuple[Any, ...]
    regions: tuple[tuple[Any, ...], ...]
    top1: Any | None
    source: str
    result: str


def called(node: Any) -> str:
    """A node as errors name it."""
    return f"node {node.name} ({node.op_type})"


def find_chain(model: ModelWrapper) -> Chain:
    """Split a tidy graph into its parts.

    Raises:
        LoweringError: names the node that does not fit, and why.
    """
    graph = model.graph
    if len(graph.output) != 1:
        names = ", ".join(value.name for value in graph.output)
        raise LoweringError(f"wanted one graph output, got {len(graph.output)} ({names})")
    source = graph.input[0].name
    data = {source}
    nodes = []
    for node in graph.node:
        inputs = [name for name in node.input if name in data]
        _check_op(model, node, inputs)
        if inputs:
            nodes.append(node)
            data.update(node.output)
    layers = [node for node in nodes if node.op_type in LINEAR]
    if not layers:
        raise LoweringError("the graph has no MatMul or Gemm that works on its input")
    head = _ancestors(nodes, layers[0])
    spine = [node for node in nodes if node.name not in head and node is not layers[0]]
    regions, top1, result = _walk(model, layers, spine)
    for layer, region in zip(layers, regions, strict=True):
        _check_layer(model, layer)
        for node in region:
            _check_channels(model, layer, node)
    return Chain(
        input=tuple(node for node in nodes if node.name in head),
        layers=tuple(layers),
        regions=regions,
        top1=top1,
        source=source,
        result=result,
    )


def _ancestors(nodes: list[Any], layer: Any) -> set[str]:
    wanted = {layer.input[0]}
    names: set[str] = set()
    for node in reversed(nodes):
        if wanted & set(node.output):
            names.add(node.name)
            wanted |= set(node.input)
    return names


def _walk(
    model: ModelWrapper, layers: list[Any], spine: list[Any]
) -> tuple[tuple[tuple[Any, ...], ...], Any | None, str]:
    """Follow the one consumer of every tensor behind the first layer, to the graph's output."""
    regions: list[list[Any]] = [[]]
    top1: Any | None = None
    tensor = layers[0].output[0]
    result = tensor
    seen = 0
    while True:
        consumers = [node for node in spine if tensor in node.input]
        is_output = tensor == model.graph.output[0].name
        if len(consumers) + is_output != 1:
            producer = model.find_producer(tensor)
            names = ", ".join(node.name for node in consumers) or "nothing"
            raise LoweringError(
                f"{called(producer)}: wanted one consumer of its output, got {names}"
                + (" and the graph's output" if is_output else ""),
                remedy="only chains of layers can be lowered, without branches",
            )
        if is_output:
            break
        node = consumers[0]
        seen += 1
        tensor = node.output[0]
        if top1 is not None:
            if node.op_type not in RESHAPING | {"Cast", "Identity"}:
                raise LoweringError(f"{called(node)}: nothing may follow {called(top1)}")
        elif node.op_type in LINEAR:
            regions.append([])
            result = tensor
        elif node.op_type in TOP1:
            top1, tensor = node, _class_output(model, node)
        elif node.op_type in INPUT_ONLY:
            raise LoweringError(f"{called(node)}: rearranges or joins channels between layers")
        else:
            regions[-1].append(node)
            result = tensor
    if seen != len(spine):
        on_path = {node.name for region in regions for node in region} | {n.name for n in layers}
        stray = next(n for n in spine if n.name not in on_path and n is not top1)
        raise LoweringError(f"{called(stray)}: is a branch beside the chain of layers")
    return tuple(tuple(region) for region in regions), top1, result


def _class_output(model: ModelWrapper, node: Any) -> str:
    """The tensor with the class, having checked that the node is a plain top-1."""

    def attribute(name: str, default: int) -> int:
        found = get_by_name(node.attribute, name)
        return default if found is None else int(found.i)

    rank = len(model.get_tensor_shape(node.input[0]))
    axis = attribute("axis", -1 if node.op_type == "TopK" else 0)
    if axis not in (-1, rank - 1):
        raise LoweringError(f"{called(node)}: wanted the channel axis, got axis {axis}")
    if node.op_type == "ArgMax":
        if attribute("select_last_index", 0):
            raise LoweringError(f"{called(node)}: ties go to the lowest class, not to the last")
        return str(node.output[0])
    if len(node.input) < 2:
        raise LoweringError(f"{called(node)}: wanted k as an input (opset 10 and later)")
    k = model.get_initializer(node.input[1])
    if k is None or k.size != 1 or int(k.item()) != 1 or not attribute("largest", 1):
        raise LoweringError(
            f"{called(node)}: wanted the largest 1, got k = {None if k is None else k.tolist()}"
        )
    return str(node.output[1])


def _check_op(model: ModelWrapper, node: Any, inputs: list[str]) -> None:
    known = LINEAR | ELEMENTWISE | RESHAPING | INPUT_ONLY | TOP1
    if node.op_type not in known:
        reason = _REASONS.get(node.op_type, "not an op that the lowering knows")
        raise LoweringError(f"{called(node)}: {reason}")
    if not inputs:
        raise LoweringError(f"{called(node)}: depends neither on the input nor on constants alone")
    if len(inputs) > 1 and node.op_type != "Concat":
        raise LoweringError(
            f"{called(node)}: joins two branches ({', '.join(inputs)})",
            remedy="only chains of layers can be lowered, without branches",
        )
    if node.op_type == "MultiThreshold":
        thresholds = model.get_initializer(node.input[1])
        if thresholds is None or thresholds.ndim != 2 or thresholds.shape[1] != 1:
            steps = None if thresholds is None else thresholds.shape[-1]
            raise LoweringError(
                f"{called(node)}: more than one bit ({steps} thresholds), wanted 1 per channel"
            )
    if node.op_type == "BatchNormalization":
        training = get_by_name(node.attribute, "training_mode")
        if training is not None and training.i:
            raise LoweringError(
                f"{called(node)}: is in training mode", remedy="export in eval mode"
            )


def _check_layer(model: ModelWrapper, node: Any) -> None:
    weights = model.get_initializer(node.input[1]) if len(node.input) > 1 else None
    if weights is None:
        raise LoweringError(f"{called(node)}: wanted data @ constant weights, in this order")
    if weights.ndim != 2:
        raise LoweringError(f"{called(node)}: wanted 2 weight dimensions, got {weights.ndim}")
    shape = model.get_tensor_shape(node.input[0])
    if not shape or not model.get_tensor_shape(node.output[0]):
        raise LoweringError(f"{called(node)}: the shapes of its input and output are not known")
    if int(np.prod(shape[:-1])) != 1:
        raise LoweringError(
            f"{called(node)}: wanted one vector per image, got data of shape {tuple(shape)}",
            remedy="flatten the input before the first layer",
        )


def _check_channels(model: ModelWrapper, layer: Any, node: Any) -> None:
    """Channel c of the layer must still be element c of what `node` makes."""
    before = model.get_tensor_shape(layer.output[0])
    after = model.get_tensor_shape(node.output[0])
    if after is None:
        raise LoweringError(f"{called(node)}: its output shape is not known")
    if after[:1] != [1] or np.prod(after) != np.prod(before):
        raise LoweringError(
            f"{called(node)}: wanted one value per channel of {layer.name}"
            f" ({before[-1]}), got shape {tuple(after)}"
        )
    if node.op_type == "Transpose":
        shape = model.get_tensor_shape(node.input[0])
        permutation = get_by_name(node.attribute, "perm")
        order = list(permutation.ints) if permutation else list(range(len(shape)))[::-1]
        moved = [axis for axis in order if shape[axis] != 1]
        if moved != sorted(moved):
            raise LoweringError(f"{called(node)}: permutes channels between layers")
