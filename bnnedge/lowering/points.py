"""What the solver finds, as typed values: points where integers are, and what becomes of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, IntegerEncoding, ThresholdEncoding, Window
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.lowering.entries import Entry
from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.layers import Layer
from bnnedge.lowering.regions import RegionProbe
from bnnedge.lowering.structure import Region
from bnnedge.lowering.thresholds import Reach


@dataclass(frozen=True, kw_only=True, eq=False)
class Bits:
    """A region makes bits: (integer >= threshold) ^ invert, then pools of them.

    Attributes:
        threshold: int64 (C,).
        invert: bool (C,).
        pools: window and conjunction, bool (C,), of each max-pool.
    """

    threshold: NDArray[np.int64]
    invert: NDArray[np.bool_]
    pools: tuple[tuple[Window, NDArray[np.bool_]], ...]

    @property
    def element(self) -> ElementType:
        """Of what is made."""
        return BIPOLAR


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """A region makes integers: `low` + how many of L thresholds are reached.

    Attributes:
        thresholds: int64 (C, L), ascending.
        invert: bool (C,): it falls as the integer rises.
        low: the least.
    """

    thresholds: NDArray[np.int64]
    invert: NDArray[np.bool_]
    low: int

    @property
    def element(self) -> ElementType:
        """Of what is made."""
        return ElementType.holding(self.low, self.low + self.thresholds.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class Same:
    """A region makes the integers that it begins with.

    Attributes:
        element: of them.
    """

    element: ElementType


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """What a region becomes, between two points.

    Attributes:
        region: the nodes.
        sum_window: of the sum that it begins with, or None.
        made: of the integers, or of the sums.
        grid: what 1 stands for in the original.
    """

    region: Region
    sum_window: Window | None
    made: Bits | Levels | Same
    grid: float

    @property
    def is_quantiser(self) -> bool:
        """Whether a node of its own makes integers of integers."""
        return isinstance(self.made, Levels)


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPoint:
    """A layer.

    Attributes:
        index: among the layers.
        layer: the layer.
        entry: what it sees.
        is_behind_map: whether that was a feature map.
        links: what lies behind it, in the order of the Dataflow; none behind the last layer.
    """

    index: int
    layer: Layer
    entry: Entry
    is_behind_map: bool
    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinPoint:
    """A join or a pool of integers.

    Attributes:
        node: of the graph.
        factors: what a sum multiplies its operands with.
        links: as of a `LayerPoint`.
    """

    node: GraphNode
    factors: tuple[int, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantiserPoint:
    """A quantiser of the graph, which the link into it makes.

    Attributes:
        node: of the graph.
        links: as of a `LayerPoint`.
    """

    node: GraphNode
    links: tuple[Link, ...]


Point = LayerPoint | JoinPoint | QuantiserPoint


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """All that is to know of a graph.

    Attributes:
        encoding: of the input; its name is to be chosen.
        points: in the order of the Dataflow.
        tail: what lies behind the last layer, to be tabulated, and what it can begin with.
        reach: see `tail`.
    """

    encoding: ThresholdEncoding | IntegerEncoding
    points: tuple[Point, ...]
    tail: RegionProbe
    reach: Reach
