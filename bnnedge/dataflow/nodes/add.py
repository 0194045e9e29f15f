"""Weighted sum of two streams: `Add`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import ElementType, Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class Add(BaseNode):
    """Weighted sum of two streams of the same shape, element by element; bits count as ±1.

    The factors put operands of different scales on one grid.

    Attributes:
        factors: of the first and the second operand, not 0.
    """

    arity: ClassVar[int] = 2
    since: ClassVar[int] = 4

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


def _signed(values: NDArray[Any]) -> NDArray[np.int64]:
    """±1 for bits, which are uint8; integers as they are."""
    wide = values.astype(np.int64)
    return 2 * wide - 1 if values.dtype == np.uint8 else wide
