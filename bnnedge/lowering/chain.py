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
    *("And", "Or", "Xor", "Sum", "Mean", "ThresholdedRelu", "CastLike"),
    *("Sign", "BipolarQuant", "MultiThreshold", "Quant", "IntQuant"),
}
RESHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
INPUT_ONLY = {"Concat", "Expand", "Tile", "Slice", "Gather", "Split"}
SOFTMAX = {"Softmax", "LogSoftmax"}
TOP1 = {"TopK", "ArgMax"}
_MAY_END = SOFTMAX | TOP1 | RESHAPING | {"Cast", "Identity"}
_CHAINS = "only chains of layers can be lowered, without branches"
_REASONS = {
    "Conv": "convolutions cannot be lowered yet, only fully connected layers",
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
        softmax: the Softmax or LogSoftmax behind the tail, if there is one.
        top1: the TopK or ArgMax that finds the class, if one does.
        ending: all nodes behind the tail: softmax, top1, and reshapes and casts of the class.
        source: name of the graph's input tensor.
        result: name of the tensor that the tail makes, which is the logits; or the last layer's.
    """

    input: tuple[Any, ...]
    layers: tuple[Any, ...]
    regions: tuple[tuple[Any, ...], ...]
    softmax: Any | None
    top1: Any | None
    ending: tuple[Any, ...]
    source: str
    result: str


def called(node: Any) -> str:
    """A node as errors name it."""
    return f"node {node.name} ({node.op_type})"


def find_chain(model: ModelWrapper) -> Chain:
    """Split a tidy graph into its parts.

    A node belongs to the part behind the last layer that it depends on. Within a part the data may
    fork and join (`Where(x == 0, 1, Sign(x))`), for every node acts on each channel by itself.

    Raises:
        LoweringError: names the node that does not fit, and why.
    """
    graph = model.graph
    if len(graph.output) != 1:
        names = ", ".join(value.name for value in graph.output)
        raise LoweringError(
            f"wanted one graph output, got {len(graph.output)} ({names})",
            remedy="keep the logits or the class",
        )
    source = graph.input[0].name
    part = {source: 0}  # of every tensor that depends on the input
    parts: list[list[Any]] = [[]]
    layers: list[Any] = []
    for node in graph.node:
        inputs = [name for name in node.input if name in part]
        _check_op(model, node, inputs)
        index = part[inputs[0]]
        if any(part[name] != index for name in inputs):
            raise LoweringError(
                f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=_CHAINS
            )
        if node.op_type in LINEAR:
            if index < len(layers):
                raise LoweringError(
                    f"{called(node)}: works on the same data as {called(layers[index])}",
                    remedy=_CHAINS,
                )
            layers.append(node)
            parts.append([])
            index += 1
        else:
            parts[index].append(node)
        part.update(dict.fromkeys(node.output, index))
    if not layers:
        raise LoweringError("the graph has no MatMul or Gemm that works on its input")
    softmax, top1, ending, result = _split_tail(model, parts)
    for layer, region in zip(layers, parts[1:], strict=True):
        _check_layer(model, layer)
        for node in region:
            _check_channels(model, layer, node)
    return Chain(
        input=tuple(parts[0]),
        layers=tuple(layers),
        regions=tuple(tuple(region) for region in parts[1:]),
        softmax=softmax,
        top1=top1,
        ending=ending,
        source=source,
        result=result,
    )


def _split_tail(
    model: ModelWrapper, parts: list[list[Any]]
) -> tuple[Any | None, Any | None, tuple[Any, ...], str]:
    """Take Softmax, top-1 and what follows them off the last part; see `Chain`."""
    for region in parts[1:-1]:
        for node in region:
            if node.op_type in SOFTMAX | TOP1:
                raise LoweringError(f"{called(node)}: mixes channels between layers")
    tail = parts[-1]
    first = next((i for i, node in enumerate(tail) if node.op_type in SOFTMAX | TOP1), None)
    output = model.graph.output[0].name
    if first is None:
        return None, None, (), str(output)
    ending, tail[first:] = tuple(tail[first:]), []
    softmax: Any | None = None
    top1: Any | None = None
    tensor = ending[0].input[0]
    for node in ending:
        if node.input[0] != tensor or node.op_type not in _MAY_END:
            raise LoweringError(
                f"{called(node)}: does not fit behind {called(ending[0])}",
                remedy="let the graph end in the logits, a Softmax, or the class",
            )
        tensor = node.output[0]
        if node.op_type in SOFTMAX | TOP1:
            _channel_axis(model, node)
        if node.op_type in TOP1:
            if top1 is not None:
                raise LoweringError(f"{called(node)}: nothing may follow {called(top1)}")
            top1, tensor = node, _class_output(model, node)
        elif node.op_type in SOFTMAX:
            if softmax is not None or top1 is not None:
                raise LoweringError(f"{called(node)}: nothing may follow {called(softmax or top1)}")
            softmax = node
    if tensor != output:
        raise LoweringError(
            f"{called(ending[-1])}: its class should be the graph's output, not {output}"
        )
    return softmax, top1, ending, str(ending[0].input[0])


def _attribute(node: Any, name: str, default: int) -> int:
    found = get_by_name(node.attribute, name)
    return default if found is None else int(found.i)


def _channel_axis(model: ModelWrapper, node: Any) -> None:
    shape = model.get_tensor_shape(node.input[0])
    default = 0 if node.op_type == "ArgMax" else -1
    axis = _attribute(node, "axis", default)
    position = axis % len(shape) if shape else 0
    if not position or shape[position] != np.prod(shape):
        raise LoweringError(
            f"{called(node)}: wanted the channel axis, got axis {axis} of shape {tuple(shape)}"
        )


def _class_output(model: ModelWrapper, node: Any) -> str:
    """The tensor with the class, having checked that the node is a plain top-1."""
    if node.op_type == "ArgMax":
        if _attribute(node, "select_last_index", 0):
            raise LoweringError(
                f"{called(node)}: ties go to the lowest class, not to the last",
                remedy="export with select_last_index = 0",
            )
        return str(node.output[0])
    if len(node.input) > 1:
        constant = model.get_initializer(node.input[1])
        k = None if constant is None else constant.reshape(-1).tolist()
    else:  # before opset 10
        k = [_attribute(node, "k", 0)]
    if k != [1] or not _attribute(node, "largest", 1):
        raise LoweringError(
            f"{called(node)}: wanted the largest 1, got the"
            f" {'largest' if _attribute(node, 'largest', 1) else 'smallest'} {k}",
            remedy="end the graph before it, or take the top 1",
        )
    return str(node.output[1])


def _check_op(model: ModelWrapper, node: Any, inputs: list[str]) -> None:
    known = LINEAR | ELEMENTWISE | RESHAPING | INPUT_ONLY | SOFTMAX | TOP1
    if node.op_type not in known:
        if node.op_type in _REASONS:
            raise LoweringError(f"{called(node)}: {_REASONS[node.op_type]}")
        raise LoweringError(
            f"{called(node)}: not an op that the lowering knows",
            remedy="wanted MatMul or Gemm, elementwise ops between them, and one-bit binarisers",
        )
    if not inputs:
        raise LoweringError(f"{called(node)}: depends neither on the input nor on constants alone")
    if len(inputs) > 1 and node.op_type not in ELEMENTWISE | {"Concat"}:
        raise LoweringError(
            f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=_CHAINS
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
    if weights.dtype != np.float32:
        raise LoweringError(
            f"{called(node)}: wanted float32 weights, got {weights.dtype}",
            remedy="export in float32",
        )
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
    if node.op_type in INPUT_ONLY:
        raise LoweringError(f"{called(node)}: rearranges or joins channels between layers")
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
