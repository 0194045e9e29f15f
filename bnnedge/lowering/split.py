"""Splitting a graph into points and the regions between them, node by node.

Integers are what layers, joins and pools of integers make. A layer is a MatMul or a Conv by
constants; a join an Add or Sub of two branches, a Concat, or what picks pixels or adds channels of
zeros. Whatever lies between two points must act on each channel by itself, or be a pool; what it
computes does not matter here, because it is enumerated. Everything else is refused by node name.
"""

from dataclasses import dataclass, field

import numpy as np

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.node_checks import (
    check_channel_axis,
    check_channels,
    check_layer,
    check_op,
    check_pad,
    check_pool,
    check_top_k,
    class_output,
    classes_found,
)
from bnnedge.lowering.structure import INTEGERS, Kind, Region, Structure
from bnnedge.lowering.vocabulary import (
    BRANCHES,
    LAYERS,
    LINEAR,
    MAX_POOLS,
    MAY_END,
    SOFTMAX,
    SUM_POOLS,
    SUMS,
    TABLES,
    TOP_K,
    called,
)
from bnnedge.lowering.windows import pad_amounts


def find_structure(model: IndexedModel) -> Structure:
    """Split a tidy graph into its parts.

    A node belongs to the part behind the last layer, join or pool that it depends on. Within a part
    the data may fork and join (`Where(x == 0, 1, Sign(x))`), for every node acts on each channel by
    itself.

    Raises:
        LoweringError: names the node that does not fit, and why.
    """
    source = model.source
    parts = _Parts(model, source)
    for node in model.nodes:
        parts.add(node)
    layers = [part.point for part in parts.found if part.kind is Kind.LAYER]
    if not layers:
        raise LoweringError(
            "the graph has no MatMul, Gemm or Conv that works on its input",
            remedy="wanted at least one layer of ±1 weights between input and output",
        )
    softmax, top_k, ending, result = _split_tail(model, [part.nodes for part in parts.found])
    for part in parts.found[1:]:
        if part.kind is Kind.LAYER:
            check_layer(model, part.point)
        elif part.kind in (Kind.POOL, Kind.INNER_POOL):
            check_pool(model, part.point)
        for node in part.nodes:
            check_channels(model, part.point, node)
    return Structure(
        input=tuple(parts.found[0].nodes),
        input_pools=tuple(parts.input_pools),
        layers=tuple(layers),
        pads=tuple(parts.pad(layer) for layer in layers),
        regions=parts.regions(result),
        softmax=softmax,
        top_k=top_k,
        k=1 if top_k is None else classes_found(model, top_k),
        ending=ending,
        source=source,
        result=result,
        nodes=model.nodes,
    )


@dataclass(kw_only=True, eq=False)
class _Part:
    """What lies behind a point or an inner pool.

    Attributes:
        kind: of `barrier`.
        barrier: the layer, join or pool; None for the input.
        operands: the tensors that it takes, explicit padding left out.
        nodes: what acts on each channel by itself.
    """

    kind: Kind
    barrier: GraphNode | None
    operands: tuple[str, ...]
    nodes: list[GraphNode] = field(default_factory=list)

    @property
    def point(self) -> GraphNode:
        """The barrier of any part but the input."""
        assert self.barrier is not None
        return self.barrier


class _Parts:
    """The parts of a graph, node by node in topological order."""

    def __init__(self, model: IndexedModel, source: str) -> None:
        self._model = model
        self.found = [_Part(kind=Kind.INPUT, barrier=None, operands=())]
        self._pads: dict[str, GraphNode] = {}  # by the tensor that they make
        self.input_pools: list[GraphNode] = []
        self._of = {source: 0}  # the part of every tensor that depends on the input
        self._pooled = {source: 0}  # how many input pools are in front of a tensor of part 0

    def add(self, node: GraphNode) -> None:
        """Find a node's part, or begin one behind it."""
        inputs = [name for name in node.input if name in self._of]
        check_op(self._model, node, inputs)
        indices = {self._of[name] for name in inputs}
        if indices == {0}:
            self._check_pooled(node, {self._pooled[name] for name in inputs})
        kind = self._kind(node, inputs, indices)
        if kind is None:
            (index,) = indices
            if node.op_type == "Pad":
                check_pad(self._model, node)
                self._pads[node.output[0]] = node
            else:
                self.found[index].nodes.append(node)
            if index == 0:
                if node.op_type in MAX_POOLS:
                    self.input_pools.append(node)
                depth = max(self._pooled[name] for name in inputs)
                depth += node.op_type in MAX_POOLS
                self._pooled.update(dict.fromkeys(node.output, depth))
        else:
            operands = tuple(self._unpadded(name) for name in inputs)
            self.found.append(_Part(kind=kind, barrier=node, operands=operands))
            index = len(self.found) - 1
        self._of.update(dict.fromkeys(node.output, index))

    def _check_pooled(self, node: GraphNode, depths: set[int]) -> None:
        """A node in front of the first layer, `depths` of its inputs in the chain of max-pools."""
        barrier = node.op_type in LAYERS | MAX_POOLS
        if len(depths) > 1 or (barrier and max(depths) < len(self.input_pools)):
            raise LoweringError(
                f"{called(node)}: works on the same data as"
                f" {called(self.input_pools[min(depths)])}",
                remedy=BRANCHES,
            )
        if max(depths) and not barrier and node.op_type not in SUM_POOLS | {"Pad"}:
            check_channels(self._model, self.input_pools[max(depths) - 1], node)

    def pad(self, layer: GraphNode) -> GraphNode | None:
        """The explicit Pad in front of a layer."""
        return self._pads.get(layer.input[0])

    def _kind(self, node: GraphNode, inputs: list[str], indices: set[int]) -> Kind | None:
        """What a node begins; None for one that acts on each channel by itself, and for a Pad."""
        at_input = 0 in indices
        if len(indices) > 1 and (at_input or node.op_type not in SUMS | {"Concat"}):
            raise LoweringError(
                f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=BRANCHES
            )
        if node.op_type in LAYERS and not self._is_sum(node, inputs[0]):
            if at_input and len(self.found) > 1:
                first = self.found[1]
                if (self._unpadded(inputs[0]),) != first.operands:
                    raise LoweringError(
                        f"{called(node)}: works on the same data as {called(first.point)}, made"
                        " ready in another way",
                        remedy="give both the same tensor",
                    )
            return Kind.LAYER
        if node.op_type in MAX_POOLS and at_input:
            check_pool(self._model, node)
            return None
        if node.op_type in LINEAR | MAX_POOLS | SUM_POOLS:
            if at_input:
                raise LoweringError(
                    f"{called(node)}: sums or pools in front of the first layer",
                    remedy="do it before the data reach the network, or behind a layer; only a"
                    " MaxPool may stand there",
                )
            return self._pool_kind(node, inputs[0])
        if at_input:
            return None
        joins = len(indices) > 1 or (node.op_type == "Concat" and len(inputs) == len(node.input))
        if joins or node.op_type == "Slice" or _pads_channels(self._model, node):
            return Kind.JOIN
        return Kind.QUANTISER if _quantised_bits(self._model, node) > 1 else None

    def _pool_kind(self, node: GraphNode, tensor: str) -> Kind:
        """A sum of bits is one of integers; a maximum of them stays with the bits."""
        before, section = self.found[self._of[tensor]], self._section(tensor)
        bits = any(_quantised_bits(self._model, other) for other in section)
        own = before.kind in INTEGERS or (bits and node.op_type not in MAX_POOLS)
        return Kind.POOL if own else Kind.INNER_POOL

    def _is_sum(self, node: GraphNode, tensor: str) -> bool:
        """A depthwise Conv by one constant per channel, on what is not ±1: a sum over a window."""
        weights = self._model.constant(node, 1)
        if node.op_type != "Conv" or weights is None or weights.ndim != 4 or weights.shape[1] != 1:
            return False
        before, section = self.found[self._of[tensor]], self._section(tensor)
        if tensor in self._pads or node.integer("group", 1) != len(weights):
            return False
        if any(other.op_type not in ("Mul", "Add") for other in section):
            return False
        if before.kind in INTEGERS:
            return bool((weights == weights[0, 0, 0, 0]).all())
        layer = before.barrier
        if before.kind is not Kind.LAYER or layer is None or layer.op_type != "Conv":
            return False
        return bool((weights == weights[:, :, :1, :1]).all())

    def _unpadded(self, tensor: str) -> str:
        return self._pads[tensor].input[0] if tensor in self._pads else tensor

    def _section(self, tensor: str) -> tuple[GraphNode, ...]:
        """The nodes of its part that a tensor depends on, in their order."""
        needed, section = {self._unpadded(tensor)}, []
        for node in reversed(self.found[self._of[tensor]].nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                section.append(node)
        return tuple(reversed(section))

    def regions(self, result: str) -> tuple[Region, ...]:
        """All regions; the last one makes `result`."""
        regions = [
            self._region(part, operand, tensor)
            for part in self.found[1:]
            if part.kind is not Kind.INNER_POOL
            for operand, tensor in enumerate(part.operands)
            if self._of[tensor]
        ]
        regions.append(self._region(self.found[0], 0, result))
        tail = regions[-1]
        while tail.kind is Kind.QUANTISER:  # of the outputs: the table has what it makes of them
            (before,) = (region for region in regions if region.reader is tail.start)
            regions = [region for region in regions if region not in (before, tail)]
            tail = before.joined(tail)
            regions.append(tail)
        if tail.kind is not Kind.LAYER or tail.start.op_type in TABLES:
            raise LoweringError(
                f"{called(tail.start)}: makes the graph's result, wanted a last layer behind it",
                remedy="end in one MatMul or Conv, and sums of what it gives",
            )
        order = {id(part.barrier): index for index, part in enumerate(self.found)}
        regions.sort(key=lambda region: order[id(region.start)])
        return tuple(regions)

    def _region(self, reader: _Part, operand: int, tensor: str) -> Region:
        sections, index = [self._section(tensor)], self._of[tensor]
        pools: list[GraphNode] = []
        if reader.kind is Kind.QUANTISER:
            sections[0] += (reader.point,)
            tensor = reader.point.output[0]
        while self.found[index].kind is Kind.INNER_POOL:
            part = self.found[index]
            (before,) = part.operands
            pools.insert(0, part.point)
            sections.insert(0, self._section(before))
            index = self._of[before]
        return Region(
            start=self.found[index].point,
            kind=self.found[index].kind,
            sections=tuple(sections),
            pools=tuple(pools),
            reader=reader.barrier,
            reader_kind=reader.kind,
            operand=operand,
            tensor=tensor,
        )


def _quantised_bits(model: IndexedModel, node: GraphNode) -> int:
    """1 for what binarises, more for a quantiser to k bits, 0 for other nodes."""
    match node.op_type:
        case "Sign" | "BipolarQuant":
            return 1
        case "MultiThreshold":
            thresholds = model.constant(node, 1)
            return 1 if thresholds is None else int(thresholds.shape[1]).bit_length()
        case "Quant" | "IntQuant":
            bits = model.constant(node, 3)
            return 0 if bits is None else int(bits.max())
        case _:
            return 0


def _pads_channels(model: IndexedModel, node: GraphNode) -> bool:
    """A Pad of the second of four axes, and of no other."""
    if node.op_type != "Pad":
        return False
    amounts = pad_amounts(model, node)
    return amounts is not None and any(amounts[1::4]) and not any(np.delete(amounts, [1, 5]))


def _split_tail(
    model: IndexedModel, parts: list[list[GraphNode]]
) -> tuple[GraphNode | None, GraphNode | None, tuple[GraphNode, ...], str]:
    """Take Softmax, top-k and what follows them off the last part; see `Structure`."""
    for region in parts[1:-1]:
        for node in region:
            if node.op_type in SOFTMAX | TOP_K:
                raise LoweringError(
                    f"{called(node)}: mixes channels between layers",
                    remedy="wanted it behind the last layer only",
                )
    tail = parts[-1]
    first = next((i for i, node in enumerate(tail) if node.op_type in SOFTMAX | TOP_K), None)
    if first is None:
        return None, None, (), model.result
    ending, tail[first:] = tuple(tail[first:]), []
    softmax: GraphNode | None = None
    top_k: GraphNode | None = None
    tensor = ending[0].input[0]
    for node in ending:
        if node.input[0] != tensor or node.op_type not in MAY_END:
            raise LoweringError(
                f"{called(node)}: does not fit behind {called(ending[0])}",
                remedy="let the graph end in the logits, a Softmax, or the class",
            )
        tensor = node.output[0]
        if node.op_type in SOFTMAX | TOP_K:
            check_channel_axis(model, node)
        if node.op_type in TOP_K:
            if top_k is not None:
                raise LoweringError(
                    f"{called(node)}: nothing may follow {called(top_k)}",
                    remedy="end in the class, or in the logits",
                )
            check_top_k(model, node)
            top_k, tensor = node, class_output(node)
        elif node.op_type in SOFTMAX:
            last = softmax or top_k
            if last is not None:
                raise LoweringError(
                    f"{called(node)}: nothing may follow {called(last)}",
                    remedy="end in the logits, a Softmax, or the class",
                )
            softmax = node
    if tensor != model.result:
        raise LoweringError(
            f"{called(ending[-1])}: its class should be the graph's output, not {model.result}",
            remedy="end in the class, or in the logits",
        )
    return softmax, top_k, ending, ending[0].input[0]
