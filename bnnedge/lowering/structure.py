"""The shape of a graph that can be lowered: points where integers are, and regions between them."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.vocabulary import MAX_POOLS, SOFTMAX, TOP_K


class Kind(enum.Enum):
    """What a part of a graph begins behind."""

    INPUT = enum.auto()
    LAYER = enum.auto()
    QUANTISER = enum.auto()  # to k > 1 bits
    JOIN = enum.auto()
    POOL = enum.auto()  # of integers: a point
    INNER_POOL = enum.auto()  # of what is no integer yet: inside a region


INTEGERS = {Kind.QUANTISER, Kind.JOIN, Kind.POOL}


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """What lies between two points.

    Attributes:
        start: the layer, quantiser, join or pool of integers that it begins behind.
        kind: which of these it is.
        sections: groups of nodes that act on each channel by itself.
        pools: the pools between them: pools[k] is behind sections[k] and before sections[k + 1].
        reader: the layer, join or pool of integers that it ends before, or the quantiser that it
            ends with; None: the graph's result.
        reader_kind: what that is; INPUT where there is none.
        operand: which input of the reader.
        tensor: what the region makes, before explicit padding.
    """

    start: GraphNode
    kind: Kind
    sections: tuple[tuple[GraphNode, ...], ...]
    pools: tuple[GraphNode, ...]
    reader: GraphNode | None
    reader_kind: Kind
    operand: int
    tensor: str

    @property
    def has_integers(self) -> bool:
        """Whether it begins with integers that are no accumulators."""
        return self.kind in INTEGERS

    @property
    def sink(self) -> GraphNode:
        """The reader of any region but the tail."""
        assert self.reader is not None
        return self.reader

    @property
    def sums(self) -> bool:
        """Whether it begins with a sum over windows."""
        return bool(self.pools) and self.pools[0].op_type not in MAX_POOLS

    def joined(self, other: "Region") -> "Region":
        """This region, and `other` behind the quantiser that it ends with, as one."""
        *before, last = self.sections
        first, *after = other.sections
        return dataclasses.replace(
            other,
            start=self.start,
            kind=self.kind,
            sections=(*before, (*last, *first), *after),
            pools=(*self.pools, *other.pools),
        )

    def __iter__(self) -> Iterator[GraphNode]:
        yield from self.sections[0]
        for pool, section in zip(self.pools, self.sections[1:], strict=True):
            yield pool
            yield from section


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A graph's nodes by their part in the network.

    Attributes:
        input: nodes from the graph's input to the first layer, topologically sorted.
        input_pools: the max-pools among them, each behind the one before.
        layers: the MatMul (Gemm, XnorPopcountMatMul, Conv) nodes.
        pads: the explicit Pad in front of each layer, or None.
        regions: in the order of the points that they begin behind; the last one is the tail.
        softmax: the Softmax or LogSoftmax behind the tail, if there is one.
        top_k: the TopK or ArgMax that finds the classes, if one does.
        k: how many classes it finds; 1 without one.
        ending: all nodes behind the tail: softmax, top_k, and reshapes and casts of the classes.
        source: name of the graph's input tensor.
        result: name of the tensor that the tail makes, which is the logits; or the last layer's.
        nodes: all nodes, in an order in which they can run.
    """

    input: tuple[GraphNode, ...]
    input_pools: tuple[GraphNode, ...]
    layers: tuple[GraphNode, ...]
    pads: tuple[GraphNode | None, ...]
    regions: tuple[Region, ...]
    softmax: GraphNode | None
    top_k: GraphNode | None
    k: int
    ending: tuple[GraphNode, ...]
    source: str
    result: str
    nodes: tuple[GraphNode, ...]

    def entry(self, index: int) -> str:
        """Name of the tensor that layer `index` sees, before it is padded."""
        return (self.pads[index] or self.layers[index]).input[0]

    @cached_property
    def first(self) -> tuple[int, ...]:
        """Which layers see the network's input."""
        (entry, *_) = entries = [self.entry(index) for index in range(len(self.layers))]
        return tuple(index for index, tensor in enumerate(entries) if tensor == entry)

    @property
    def encoded(self) -> str:
        """Name of the tensor in the place of which the host's encoding stands."""
        return self.input_pools[0].input[0] if self.input_pools else self.entry(0)

    def into(self, node: GraphNode) -> Region:
        """The region that ends before a layer behind the first ones, or with a quantiser."""
        return self._into[node.name]

    def behind(self, node: GraphNode) -> tuple[Region, ...]:
        """The regions that begin behind a point."""
        return self._behind.get(node.name, ())

    def index_of(self, layer: GraphNode) -> int:
        """Which one of the layers it is."""
        return self._indices[layer.name]

    @cached_property
    def _indices(self) -> Mapping[str, int]:
        return {layer.name: index for index, layer in enumerate(self.layers)}

    @cached_property
    def _into(self) -> Mapping[str, Region]:
        return {region.reader.name: region for region in self.regions if region.reader is not None}

    @cached_property
    def _behind(self) -> Mapping[str, tuple[Region, ...]]:
        behind: dict[str, tuple[Region, ...]] = {}
        for region in self.regions:
            name = region.start.name
            behind[name] = (*behind.get(name, ()), region)
        return behind

    @property
    def tail(self) -> Region:
        """What lies behind the last layer."""
        return self.regions[-1]

    @property
    def is_chain(self) -> bool:
        """Whether there is nothing but one layer behind the other."""
        return len(self.regions) == len(self.layers) and len(self.first) == 1

    @property
    def has_images(self) -> bool:
        """Whether a layer is a convolution."""
        return any(layer.op_type == "Conv" for layer in self.layers)

    @property
    def is_line(self) -> bool:
        """Whether there are but layers and quantisers, one behind the other."""
        single = len(self._behind) == len(self.regions) and len(self.first) == 1
        return single and all(
            region.kind in (Kind.LAYER, Kind.QUANTISER) for region in self.regions
        )


def logits_of(model: IndexedModel) -> str:
    """Name of the tensor with the logits, in a graph that could be split or that came of one."""
    for node in model.nodes:
        if node.op_type in SOFTMAX | TOP_K:
            return node.input[0]
    return model.result
