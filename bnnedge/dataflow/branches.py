"""Nodes of branching networks: k-bit integers, and what joins two streams."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.streams import BIPOLAR, ElementType, Stream
from bnnedge.errors import DataflowError

MOST_THRESHOLDS = 255  # 8-bit results
_MOST_ROWS = 1 << 16  # of a table by value


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiThreshold:
    """Integers → k-bit integers: `low` + how many of a channel's thresholds are reached.

    Where `invert` is set the result falls as the input rises: `low` + L − #{i : x >= t[i]}.

    Attributes:
        name: unique in the graph.
        thresholds: int32 (C, L), ascending in each row; equal ones are a step of more than 1.
        invert: bool (C,).
        low: the least result.
    """

    name: str
    thresholds: NDArray[np.int32]
    invert: NDArray[np.bool_]
    low: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int32))
        object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    @property
    def element(self) -> ElementType:
        """The narrowest signed type of every result."""
        return ElementType.holding(self.low, self.low + self.thresholds.shape[1])

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if not stream.element.signed:
            raise DataflowError(f"{self.name}: wanted signed integers, got {stream}")
        rows = stream.channels
        if (
            self.thresholds.ndim != 2
            or len(self.thresholds) != rows
            or self.invert.shape != (rows,)
        ):
            raise DataflowError(
                f"{self.name}: wanted thresholds and invert flags of {rows} channels"
            )
        if not 1 <= self.thresholds.shape[1] <= MOST_THRESHOLDS:
            raise DataflowError(
                f"{self.name}: wanted 1 to {MOST_THRESHOLDS} thresholds per channel,"
                f" got {self.thresholds.shape[1]}"
            )
        if (np.diff(self.thresholds.astype(np.int64), axis=1) < 0).any():
            raise DataflowError(f"{self.name}: thresholds are not ascending")
        return Stream(shape=stream.shape, element=self.element)

    def run(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Integers (N, …, C) → integers (N, …, C), int64."""
        if not values.size:
            return values.astype(np.int64)
        least, most = int(values.min()), int(values.max())
        if most - least > _MOST_ROWS:
            return self._search(values)
        rows = np.arange(least, most + 1)
        table = np.zeros((len(rows), len(self.thresholds)), np.int16)
        for threshold in self.thresholds.T:
            table += rows[:, None] >= threshold
        steps = self.thresholds.shape[1]
        table = self.low + np.where(self.invert, steps - table, table)
        channels = np.arange(len(self.thresholds))
        codes: NDArray[np.int64] = table[values - least, channels].astype(np.int64)
        return codes

    def _search(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """`run` without a table of all values between the least and the greatest one."""
        counts = np.empty(values.shape, np.int64)
        for channel, thresholds in enumerate(self.thresholds):
            counts[..., channel] = np.searchsorted(thresholds, values[..., channel], side="right")
        return self.low + np.where(self.invert, self.thresholds.shape[1] - counts, counts)


@dataclass(frozen=True, kw_only=True)
class Add:
    """Weighted sum of two streams of the same shape, element by element; bits count as ±1.

    The factors put operands of different scales on one grid.

    Attributes:
        name: unique in the graph.
        factors: of the first and the second operand, not 0.
    """

    name: str
    factors: tuple[int, int] = (1, 1)

    def output_stream(self, first: Stream, second: Stream) -> Stream:
        """Type of the sum; raises DataflowError if the operands differ in shape."""
        if first.shape != second.shape:
            raise DataflowError(f"{self.name}: wanted equal shapes, got {first} and {second}")
        if 0 in self.factors:
            raise DataflowError(f"{self.name}: a factor is 0")
        ends = [
            sorted((factor * stream.element.least, factor * stream.element.most))
            for factor, stream in zip(self.factors, (first, second), strict=True)
        ]
        low, high = (sum(end[side] for end in ends) for side in (0, 1))
        return Stream(shape=first.shape, element=ElementType.holding(low, high))

    def run(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
        """(N, …, C) twice → int64 (N, …, C); bits are uint8."""
        total: NDArray[np.int64] = sum(
            (
                factor * _signed(values)
                for factor, values in zip(self.factors, (first, second), strict=True)
            ),
            np.zeros(first.shape, np.int64),
        )
        return total


@dataclass(frozen=True, kw_only=True)
class Concat:
    """The channels of the first stream, then those of the second, pixel by pixel."""

    name: str

    def output_stream(self, first: Stream, second: Stream) -> Stream:
        """Type of the output; raises DataflowError if pixels or element types differ."""
        if first.shape[:-1] != second.shape[:-1] or first.element.bipolar != second.element.bipolar:
            raise DataflowError(
                f"{self.name}: wanted as many pixels, all of bits or all of integers, got {first}"
                f" and {second}"
            )
        element = BIPOLAR
        if not first.element.bipolar:
            pair = (first.element, second.element)
            element = ElementType.holding(min(e.least for e in pair), max(e.most for e in pair))
        channels = first.channels + second.channels
        return Stream(shape=(*first.shape[:-1], channels), element=element)

    def run(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """(N, …, C1) and (N, …, C2) → (N, …, C1 + C2)."""
        return np.concatenate([first, second], axis=-1)


@dataclass(frozen=True, kw_only=True)
class PadChannels:
    """Zeros before and behind the channels of every pixel.

    Attributes:
        name: unique in the graph.
        before: channels of zeros in front.
        after: channels of zeros behind.
    """

    name: str
    before: int
    after: int

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if stream.element.bipolar:
            raise DataflowError(f"{self.name}: wanted integers, got {stream}, which has no 0")
        if min(self.before, self.after) < 0:
            raise DataflowError(f"{self.name}: wanted 0 or more channels of zeros")
        channels = self.before + stream.channels + self.after
        return Stream(shape=(*stream.shape[:-1], channels), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, …, C) → (N, …, before + C + after)."""
        widths = [(0, 0)] * (values.ndim - 1) + [(self.before, self.after)]
        return np.pad(values, widths)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A feature map without its first rows and columns.

    Attributes:
        name: unique in the graph.
        top: rows to leave out.
        left: columns to leave out.
    """

    name: str
    top: int
    left: int

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if len(stream.shape) != 3:
            raise DataflowError(f"{self.name}: wanted a feature map (H, W, C), got {stream}")
        height, width, channels = stream.shape
        if not (0 <= self.top < height and 0 <= self.left < width):
            raise DataflowError(
                f"{self.name}: {self.top} rows and {self.left} columns leave nothing of {stream}"
            )
        shape = (height - self.top, width - self.left, channels)
        return Stream(shape=shape, element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, H, W, C) → (N, H − top, W − left, C)."""
        return values[:, self.top :, self.left :]


def _signed(values: NDArray[Any]) -> NDArray[np.int64]:
    """±1 for bits, which are uint8; integers as they are."""
    wide = values.astype(np.int64)
    return 2 * wide - 1 if values.dtype == np.uint8 else wide
