"""The shape of a graph that can be lowered: input region, then layers in a chain, then a tail.

A layer is a MatMul or a Conv by constants. Whatever lies between two layers must act on each
channel by itself, or be a pool; what it computes does not matter here, because it is enumerated.
Everything else is refused by node name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError

LINEAR = {"MatMul", "Gemm", "XnorPopcountMatMul", "Conv"}
MAX_POOLS = {"MaxPool", "GlobalMaxPool"}
SUM_POOLS = {"AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"}
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
TOP_K = {"TopK", "ArgMax"}
_MAY_END = SOFTMAX | TOP_K | RESHAPING | {"Cast", "Identity"}
_CHAINS = (
    "only chains of layers can be lowered, without branches; residual networks are exported, and"
    " simulated in PyTorch and QONNX"
)
_REASONS = {
    "ConvTranspose": "transposed convolutions cannot be lowered",
    "Trunc": "more than one bit; wanted BipolarQuant",
    "FloatQuant": "more than one bit; wanted BipolarQuant",
    "Im2Col": "a convolution that is a MatMul already; wanted the Conv",
}


@dataclass(frozen=True, kw_only=True)
class Region:
    """What lies behind a layer.

    Attributes:
        sections: groups of nodes that act on each channel by itself.
        pools: the pools between them: pools[k] is behind sections[k] and before sections[k + 1].
    """

    sections: tuple[tuple[Any, ...], ...]
    pools: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        yield from self.sections[0]
        for pool, section in zip(self.pools, self.sections[1:], strict=True):
            yield pool
            yield from section


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A graph's nodes by their part in the network.

    Attributes:
        input: nodes from the graph's input to the first layer, topologically sorted.
        input_pools: the max-pools among them, each behind the one before.
        layers: the MatMul (Gemm, XnorPopcountMatMul, Conv) nodes.
        pads: the explicit Pad in front of each layer, or None.
        regions: regions[i] is what lies between layer i and layer i + 1; the last one is the tail.
        softmax: the Softmax or LogSoftmax behind the tail, if there is one.
        top_k: the TopK or ArgMax that finds the classes, if one does.
        k: how many classes it finds; 1 without one.
        ending: all nodes behind the tail: softmax, top_k, and reshapes and casts of the classes.
        source: name of the graph's input tensor.
        result: name of the tensor that the tail makes, which is the logits; or the last layer's.
    """

    input: tuple[Any, ...]
    input_pools: tuple[Any, ...]
    layers: tuple[Any, ...]
    pads: tuple[Any | None, ...]
    regions: tuple[Region, ...]
    softmax: Any | None
    top_k: Any | None
    k: int
    ending: tuple[Any, ...]
    source: str
    result: str

    def entry(self, index: int) -> str:
        """Name of the tensor that layer `index` sees, before it is padded."""
        return str((self.pads[index] or self.layers[index]).input[0])

    @property
    def encoded(self) -> str:
        """Name of the tensor in the place of which the host's encoding stands."""
        return str(self.input_pools[0].input[0]) if self.input_pools else self.entry(0)

    @property
    def nodes(self) -> tuple[Any, ...]:
        """All nodes, in an order in which they can run."""
        nodes = list(self.input)
        for pad, layer, region in zip(self.pads, self.layers, self.regions, strict=True):
            nodes += [*([pad] if pad is not None else []), layer, *region]
        return (*nodes, *self.ending)


def called(node: Any) -> str:
    """A node as errors name it."""
    return f"node {node.name} ({node.op_type})"


def attribute(node: Any, name: str, default: int) -> int:
    """An integer attribute of a node."""
    found = get_by_name(node.attribute, name)
    return default if found is None else int(found.i)


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
            remedy="keep the logits or the classes",
        )
    source = graph.input[0].name
    part = {source: 0}  # of every tensor that depends on the input
    pooled = {source: 0}  # how many input pools are in front of every tensor
    input_pools: list[Any] = []
    parts: list[list[Any]] = [[]]
    barriers: list[Any] = []  # layers and pools: barriers[i] is between parts i and i + 1
    layers: list[Any] = []
    padded: dict[str, Any] = {}
    for node in graph.node:
        inputs = [name for name in node.input if name in part]
        _check_op(model, node, inputs)
        index = part[inputs[0]]
        if any(part[name] != index for name in inputs):
            raise LoweringError(
                f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=_CHAINS
            )
        if not index:
            _check_pooled(model, node, {pooled[name] for name in inputs}, input_pools)
        is_layer = node.op_type in LINEAR and not _is_sum(model, node, parts, barriers)
        if node.op_type == "Pad":
            _check_pad(model, node)
            padded[node.output[0]] = node
        elif node.op_type in MAX_POOLS and not layers:
            _check_pool(model, node)
            input_pools.append(node)
            parts[0].append(node)
            pooled[node.output[0]] = len(input_pools)
        elif is_layer or node.op_type in LINEAR | MAX_POOLS | SUM_POOLS:
            if index < len(barriers):
                raise LoweringError(
                    f"{called(node)}: works on the same data as {called(barriers[index])}",
                    remedy=_CHAINS,
                )
            if not is_layer and not layers:
                raise LoweringError(
                    f"{called(node)}: pools in front of the first layer",
                    remedy="pool before the data reach the network, or behind a layer",
                )
            barriers.append(node)
            layers += [node] if is_layer else []
            parts.append([])
            index += 1
        else:
            parts[index].append(node)
        part.update(dict.fromkeys(node.output, index))
        pooled = {**dict.fromkeys(node.output, pooled[inputs[0]]), **pooled}
    if not layers:
        raise LoweringError("the graph has no MatMul, Gemm or Conv that works on its input")
    softmax, top_k, ending, result = _split_tail(model, parts)
    regions: list[Region] = []
    for barrier, section in zip(barriers, parts[1:], strict=True):
        if barrier in layers:
            _check_layer(model, barrier)
            regions.append(Region(sections=(tuple(section),), pools=()))
        else:
            _check_pool(model, barrier)
            regions[-1] = Region(
                sections=(*regions[-1].sections, tuple(section)),
                pools=(*regions[-1].pools, barrier),
            )
        for node in section:
            _check_channels(model, barrier, node)
    return Chain(
        input=tuple(parts[0]),
        input_pools=tuple(input_pools),
        layers=tuple(layers),
        pads=tuple(padded.get(layer.input[0]) for layer in layers),
        regions=tuple(regions),
        softmax=softmax,
        top_k=top_k,
        k=1 if top_k is None else classes_found(model, top_k),
        ending=ending,
        source=source,
        result=result,
    )


def logits_of(model: ModelWrapper) -> str:
    """Name of the tensor with the logits, in a graph that could be split or that came of one."""
    for node in model.graph.node:
        if node.op_type in SOFTMAX | TOP_K:
            return str(node.input[0])
    return str(model.graph.output[0].name)


def _is_sum(model: ModelWrapper, node: Any, parts: list[list[Any]], barriers: list[Any]) -> bool:
    """A depthwise Conv by one constant per channel, on accumulators: a sum over its window."""
    if node.op_type != "Conv" or not barriers or barriers[-1].op_type != "Conv":
        return False
    if any(other.op_type not in ("Mul", "Add") for other in parts[-1]):
        return False
    weights = model.get_initializer(node.input[1])
    if weights is None or weights.ndim != 4 or weights.shape[1] != 1:
        return False
    if attribute(node, "group", 1) != len(weights):
        return False
    return bool((weights == weights[:, :, :1, :1]).all())


def _split_tail(
    model: ModelWrapper, parts: list[list[Any]]
) -> tuple[Any | None, Any | None, tuple[Any, ...], str]:
    """Take Softmax, top-k and what follows them off the last part; see `Chain`."""
    for region in parts[1:-1]:
        for node in region:
            if node.op_type in SOFTMAX | TOP_K:
                raise LoweringError(f"{called(node)}: mixes channels between layers")
    tail = parts[-1]
    first = next((i for i, node in enumerate(tail) if node.op_type in SOFTMAX | TOP_K), None)
    output = model.graph.output[0].name
    if first is None:
        return None, None, (), str(output)
    ending, tail[first:] = tuple(tail[first:]), []
    softmax: Any | None = None
    top_k: Any | None = None
    tensor = ending[0].input[0]
    for node in ending:
        if node.input[0] != tensor or node.op_type not in _MAY_END:
            raise LoweringError(
                f"{called(node)}: does not fit behind {called(ending[0])}",
                remedy="let the graph end in the logits, a Softmax, or the class",
            )
        tensor = node.output[0]
        if node.op_type in SOFTMAX | TOP_K:
            _channel_axis(model, node)
        if node.op_type in TOP_K:
            if top_k is not None:
                raise LoweringError(f"{called(node)}: nothing may follow {called(top_k)}")
            _check_top_k(model, node)
            top_k, tensor = node, class_output(node)
        elif node.op_type in SOFTMAX:
            if softmax is not None or top_k is not None:
                raise LoweringError(
                    f"{called(node)}: nothing may follow {called(softmax or top_k)}"
                )
            softmax = node
    if tensor != output:
        raise LoweringError(
            f"{called(ending[-1])}: its class should be the graph's output, not {output}"
        )
    return softmax, top_k, ending, str(ending[0].input[0])


def _channel_axis(model: ModelWrapper, node: Any) -> None:
    shape = model.get_tensor_shape(node.input[0])
    default = 0 if node.op_type == "ArgMax" else -1
    axis = attribute(node, "axis", default)
    position = axis % len(shape) if shape else 0
    if not position or shape[position] != np.prod(shape):
        raise LoweringError(
            f"{called(node)}: wanted the channel axis, got axis {axis} of shape {tuple(shape)}"
        )


def class_output(node: Any) -> str:
    """Name of the tensor with the classes that a TopK or ArgMax finds."""
    return str(node.output[1] if node.op_type == "TopK" else node.output[0])


def classes_found(model: ModelWrapper, node: Any) -> int:
    """The k of a TopK or ArgMax; 0 if it is no constant."""
    if node.op_type == "ArgMax":
        return 1
    if len(node.input) == 1:  # before opset 10
        return attribute(node, "k", 0)
    constant = model.get_initializer(node.input[1])
    return int(constant.item()) if constant is not None and constant.size == 1 else 0


def _check_top_k(model: ModelWrapper, node: Any) -> None:
    if attribute(node, "select_last_index", 0):
        raise LoweringError(
            f"{called(node)}: ties go to the lowest class, not to the last",
            remedy="export with select_last_index = 0",
        )
    if not attribute(node, "largest", 1):
        raise LoweringError(
            f"{called(node)}: wanted the largest, got the smallest",
            remedy="end the graph before it, or take the largest",
        )
    k, classes = classes_found(model, node), int(np.prod(model.get_tensor_shape(node.input[0])))
    if not 1 <= k <= classes:
        raise LoweringError(
            f"{called(node)}: wanted a constant k from 1 to the {classes} classes, got"
            f" {k or 'none'}"
        )
    if k > 1 and not attribute(node, "sorted", 1):
        raise LoweringError(
            f"{called(node)}: gives {k} classes in no order", remedy="export with sorted = 1"
        )


def _check_op(model: ModelWrapper, node: Any, inputs: list[str]) -> None:
    known = LINEAR | MAX_POOLS | SUM_POOLS | ELEMENTWISE | RESHAPING | INPUT_ONLY | SOFTMAX | TOP_K
    known |= {"Pad"}
    if node.op_type not in known:
        if node.op_type in _REASONS:
            raise LoweringError(f"{called(node)}: {_REASONS[node.op_type]}")
        raise LoweringError(
            f"{called(node)}: not an op that the lowering knows",
            remedy="wanted MatMul, Gemm or Conv, pools and elementwise ops between them, and"
            " one-bit binarisers",
        )
    if not inputs:
        raise LoweringError(f"{called(node)}: depends neither on the input nor on constants alone")
    if len(inputs) > 1 and node.op_type not in ELEMENTWISE | {"Concat"}:
        raise LoweringError(
            f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=_CHAINS
        )
    if node.op_type == "MultiThreshold":
        thresholds = model.get_initializer(node.input[1])
        if thresholds is None or thresholds.ndim != 2:
            raise LoweringError(f"{called(node)}: wanted constant thresholds (channels, steps)")
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
    wanted = 4 if node.op_type == "Conv" else 2
    if weights.ndim != wanted:
        raise LoweringError(
            f"{called(node)}: wanted {wanted} weight dimensions, got {weights.ndim}",
            remedy="only fully connected layers and convolutions over (H, W) can be lowered",
        )
    shape = model.get_tensor_shape(node.input[0])
    if not shape or not model.get_tensor_shape(node.output[0]):
        raise LoweringError(f"{called(node)}: the shapes of its input and output are not known")
    if node.op_type != "Conv" and int(np.prod(shape[:-1])) != 1:
        raise LoweringError(
            f"{called(node)}: wanted one vector per image, got data of shape {tuple(shape)}",
            remedy="flatten the data before a fully connected layer",
        )


def _check_pad(model: ModelWrapper, node: Any) -> None:
    consumers = model.find_consumers(node.output[0]) or []
    if [consumer.op_type for consumer in consumers] != ["Conv"]:
        raise LoweringError(f"{called(node)}: wanted an explicit Pad right before one Conv only")


def _check_pooled(model: ModelWrapper, node: Any, depths: set[int], pools: list[Any]) -> None:
    """A node in front of the first layer, `depths` of its inputs in the chain of max-pools."""
    barrier = node.op_type in LINEAR | MAX_POOLS
    if len(depths) > 1 or (barrier and max(depths) < len(pools)):
        raise LoweringError(
            f"{called(node)}: works on the same data as {called(pools[min(depths)])}",
            remedy=_CHAINS,
        )
    if max(depths) and not barrier and node.op_type not in SUM_POOLS | {"Pad"}:
        _check_channels(model, pools[max(depths) - 1], node)


def _check_pool(model: ModelWrapper, node: Any) -> None:
    shape = model.get_tensor_shape(node.input[0])
    if not shape or len(shape) != 4 or not model.get_tensor_shape(node.output[0]):
        raise LoweringError(
            f"{called(node)}: wanted to pool data of shape (N, C, H, W), got {tuple(shape or ())}"
        )
    if len(node.output) > 1:
        raise LoweringError(f"{called(node)}: the positions of the maxima cannot be lowered")


def _check_channels(model: ModelWrapper, barrier: Any, node: Any) -> None:
    """What `node` makes must have as many values as what the layer or pool gives."""
    if node.op_type in INPUT_ONLY:
        raise LoweringError(f"{called(node)}: rearranges or joins channels between layers")
    before = model.get_tensor_shape(barrier.output[0])
    after = model.get_tensor_shape(node.output[0])
    if after is None:
        raise LoweringError(f"{called(node)}: its output shape is not known")
    if after[:1] != [1] or np.prod(after) != np.prod(before):
        raise LoweringError(
            f"{called(node)}: wanted one value per output of {barrier.name}"
            f" ({tuple(before[1:])}), got shape {tuple(after)}"
        )
