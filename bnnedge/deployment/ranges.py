"""What a network can answer: the range of every result, and how far apart its values lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow, XnorMvu
from bnnedge.dataflow.nodes.base import BaseNode


@dataclass(frozen=True, kw_only=True)
class ResultRanges:
    """No input of any kind gives a result outside.

    Attributes:
        low: int64 (K,), the least value of every result.
        high: int64 (K,), the greatest one.
        step: every value is a multiple of it above `low`.
    """

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    step: int

    @classmethod
    def of(cls, dataflow: Dataflow) -> "ResultRanges":
        """The ranges of what the hardware of a Dataflow gives: accumulators or classes.

        A sum of ±1 products moves in steps of 2; one over integers is least where every input has
        the end of its range that its weight wants. What follows the last matrix-vector unit only
        adds and rearranges, so it gives the ends of the sums from the ends of what is added.
        """
        streams = dataflow.streams()
        if dataflow.class_nodes:
            classes = np.full(dataflow.output.k, len(dataflow.output.values) - 1, np.int64)
            return cls(low=np.zeros_like(classes), high=classes, step=1)
        mvu = dataflow.mvus[-1]
        before = streams[dataflow.sources[mvu.name][0]]
        if isinstance(mvu, XnorMvu):
            low, high, step = -mvu.sums, mvu.sums, 2
            if mvu.correction is not None:
                moved = mvu.correction[mvu.border]
                odd = moved % 2
                low = np.maximum(low + moved, low + odd)
                high = np.minimum(high + moved, high - odd)
        else:
            positive = mvu.values.clip(min=0).sum(axis=1, dtype=np.int64)
            negative, step = mvu.sums - positive, 1
            least, most = before.element.smallest, before.element.largest
            low = positive * least - negative * most
            high = positive * most - negative * least
        shape = streams[mvu.name].shape
        ends: NDArray[np.int64] = np.empty((2, *shape), np.int64)
        ends[0], ends[1] = low, high
        following: Sequence[BaseNode] = dataflow.nodes[dataflow.nodes.index(mvu) + 1 :]
        for node in following:
            ends = node.run(ends)
        return cls(low=ends[0], high=ends[1], step=step)
