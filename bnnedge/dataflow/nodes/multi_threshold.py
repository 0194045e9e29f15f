"""Integers to integers of k bits: `MultiThreshold`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import ElementType, Stream
from bnnedge.errors import DataflowError

MOST_THRESHOLDS = 255  # 8-bit results
_MOST_ROWS = 1 << 16  # of a table by value


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiThreshold(BaseNode):
    """Integers → k-bit integers: `low` + how many of a channel's thresholds are reached.

    Where `invert` is set the result falls as the input rises: `low` + L − #{i : x >= t[i]}.

    Attributes:
        thresholds: int32 (C, L), ascending in each row; equal ones are a step of more than 1.
        invert: bool (C,).
        low: the least result.
    """

    since: ClassVar[int] = 4

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
