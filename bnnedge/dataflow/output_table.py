"""The float tail of the original graph, tabulated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.streams import Stream
from bnnedge.errors import DataflowError


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
