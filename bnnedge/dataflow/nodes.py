"""The nodes of a Dataflow, each with its integer semantics in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.branches import Add, Concat, Crop, MultiThreshold, PadChannels
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.mvu import IntegerMvu, XnorMvu
from bnnedge.dataflow.streams import BIPOLAR, ElementType, Stream
from bnnedge.dataflow.windows import MaxPool, SlidingWindow, SumPool
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold:
    """Integers → bits, where no matrix-vector unit is right before: (x >= threshold) ^ invert.

    Attributes:
        name: unique in the graph.
        thresholds: int32 (C,).
        invert: bool (C,).
    """

    name: str
    thresholds: NDArray[np.int32]
    invert: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int32))
        object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if stream.element == BIPOLAR:
            raise DataflowError(f"{self.name}: wanted integers, got {stream}")
        wanted = (stream.channels,)
        if self.thresholds.shape != wanted or self.invert.shape != wanted:
            raise DataflowError(
                f"{self.name}: wanted {stream.channels} thresholds and invert flags"
            )
        return Stream(shape=stream.shape, element=BIPOLAR)

    def run(self, values: NDArray[Any]) -> Bits:
        """Integers (N, …, C) → bits (N, …, C)."""
        return ((values >= self.thresholds) ^ self.invert).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """A feature map as one vector, in the order in which it streams: [row][column][channel]."""

    name: str

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`."""
        return Stream(shape=(stream.elements,), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, …) → (N, elements)."""
        return values.reshape(len(values), -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTable:
    """Accumulators → scores, by class: integers that order as the original graph's floats do.

    Attributes:
        name: unique in the graph.
        scores: int32 (K, S); column i is the score at the accumulator `low` + i · `step`.
        low: the smallest accumulator.
        step: distance of neighbouring accumulators, 1 or 2.
    """

    name: str
    scores: NDArray[np.int32]
    low: int
    step: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", frozen(self.scores, np.int32))

    @property
    def element(self) -> ElementType:
        """The narrowest signed type that holds every score."""
        largest = max(int(self.scores.max()), ~int(self.scores.min()))
        return ElementType(width_bits=largest.bit_length() + 1, signed=True)

    @property
    def table_bits(self) -> int:
        """Bits of all scores."""
        return self.scores.size * self.element.width_bits

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if not stream.element.signed or len(stream.shape) != 1:
            raise DataflowError(f"{self.name}: wanted a vector of signed integers, got {stream}")
        if self.scores.ndim != 2 or len(self.scores) != stream.channels or not self.scores.size:
            raise DataflowError(f"{self.name}: scores {self.scores.shape} do not fit {stream}")
        if self.step not in (1, 2):
            raise DataflowError(f"{self.name}: wanted steps of 1 or 2, got {self.step}")
        return Stream(shape=stream.shape, element=self.element)

    def run(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """Integers (N, K) → scores (N, K)."""
        columns = (values - self.low) // self.step
        scores: NDArray[np.int32] = self.scores[np.arange(len(self.scores)), columns]
        return scores


def largest_indices(values: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Values (N, K) → indices (N, k) of the k largest, which fall; the lower first among equals."""
    return np.argsort(-values, axis=1, kind="stable")[:, :k]


@dataclass(frozen=True, kw_only=True)
class ArgMax:
    """The classes: indices of the k largest elements, which fall; the lower first among equals.

    Attributes:
        name: unique in the graph.
        k: classes per image, at most as many as there are elements.
    """

    name: str
    k: int = 1

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if not stream.element.signed or len(stream.shape) != 1:
            raise DataflowError(f"{self.name}: wanted a vector of signed integers, got {stream}")
        if not 1 <= self.k <= stream.channels:
            raise DataflowError(
                f"{self.name}: wanted k from 1 to {stream.channels} classes, got {self.k}"
            )
        width = max(1, (stream.channels - 1).bit_length())
        return Stream(shape=(self.k,), element=ElementType(width_bits=width))

    def run(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Integers (N, K) → classes (N, k)."""
        return largest_indices(values, self.k)


Node = (
    XnorMvu
    | IntegerMvu
    | SlidingWindow
    | MaxPool
    | SumPool
    | Threshold
    | MultiThreshold
    | Add
    | Concat
    | PadChannels
    | Crop
    | Flatten
    | ScoreTable
    | ArgMax
)


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputTable:
    """The host-side output affine, tabulated: the float output for every reachable accumulator.

    The original graph's tail (scalings, biases, BatchNorm) is elementwise, and an accumulator over
    MW synapses takes only MW + 1 values, so the table holds the tail's own float32 results
    and no order of operations needs to be imitated.

    Attributes:
        values: float32 (K, S); column i is the output at the accumulator `low` + i · `step`.
        low: the smallest accumulator; −MW behind a matrix-vector unit.
        step: distance of neighbouring accumulators; 2 for sums of an ±1 products.
        classes: the original graph ends in top-k, so its output is a class, or k of them.
        k: classes per image, where `classes` is set.
    """

    values: NDArray[np.float32]
    classes: bool
    low: int
    step: int = 2
    k: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, np.float32))

    @property
    def keeps_order(self) -> bool:
        """Whether accumulators order classes, ties included, exactly as the float outputs do."""
        first = self.values[0]
        return bool((np.diff(first) > 0).all() and (self.values == first).all())

    def scores(self) -> NDArray[np.int32]:
        """int32 (K, S): the ranks of `values` among all different ones, with 0 in the middle.

        So scores compare, between any two classes, exactly as the floats do; equal floats, −0 and 0
        among them, have equal scores.
        """
        different, ranks = np.unique(self.values, return_inverse=True)
        return (ranks.reshape(self.values.shape) - len(different) // 2).astype(np.int32)

    def logits(self, accumulators: NDArray[np.int64]) -> NDArray[np.float32]:
        """Accumulators (N, K) → float outputs (N, K)."""
        floats: NDArray[np.float32] = self.values[
            np.arange(len(self.values)), (accumulators - self.low) // self.step
        ]
        return floats

    def verify(self, stream: Stream, reach: int) -> None:
        """Check the table against what it is looked up with.

        Args:
            stream: what the last node before the table gives.
            reach: the largest absolute value in it.

        Raises:
            DataflowError: it does not fit.
        """
        if self.step < 1 or self.values.ndim != 2:
            raise DataflowError(f"output: {self.values.shape} in steps of {self.step} is no table")
        columns = 2 * reach // self.step + 1
        if stream.shape != (len(self.values),):
            raise DataflowError(f"output: {len(self.values)} classes do not fit {stream}")
        if self.low != -reach or self.values.shape[1] != columns:
            raise DataflowError(
                f"output: wanted {columns} columns from {-reach} on, got {self.values.shape[1]}"
                f" from {self.low} on"
            )
        if not np.isfinite(self.values).all():
            raise DataflowError("output: the table holds NaN or infinity")
        most = len(self.values) if self.classes else 1
        if not 1 <= self.k <= most:
            raise DataflowError(f"output: wanted k from 1 to {most} classes, got {self.k}")
