"""Accumulators to scores that order as floats do: `ScoreTable`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.nodes.base import ClassNode
from bnnedge.dataflow.output_table import OutputTable
from bnnedge.dataflow.streams import ElementType, Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTable(ClassNode):
    """Accumulators → scores, by class: integers that order as the original graph's floats do.

    Attributes:
        scores: int32 (K, S); column i is the score at the accumulator `low` + i · `step`.
        low: the smallest accumulator.
        step: distance of neighbouring accumulators, 1 or 2.
    """

    since: ClassVar[int] = 3
    gives_classes: ClassVar[bool] = False

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

    def verify_order(self, output: OutputTable, ordered: bool) -> bool:
        exact = (self.low, self.step) == (output.low, output.step)
        if not (output.classes and exact and np.array_equal(self.scores, output.scores())):
            raise DataflowError(
                f"{self.name}: scores do not order the classes as the float outputs do"
            )
        return True
