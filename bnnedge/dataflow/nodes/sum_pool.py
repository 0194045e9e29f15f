"""Sums over a window: `SumPool`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import Stream, signed_type
from bnnedge.dataflow.window import Window
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class SumPool(BaseNode):
    """Sums of integers over a window; padding adds nothing.

    An average is such a sum, divided: the thresholds or the output table behind it divide.

    Attributes:
        window: kernel, stride, dilation and padding.
    """

    follows_last: ClassVar[bool] = True

    window: Window

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        height, width = self.window.verify(self.name, stream)
        if not stream.element.signed:
            raise DataflowError(f"{self.name}: wanted signed integers, got {stream}")
        element = signed_type(self.window.taps * -stream.element.smallest)
        return Stream(shape=(height, width, stream.channels), element=element)

    def run(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Integers (N, H, W, C) → integers (N, OH, OW, C), int64."""
        sums: NDArray[np.int64] = self.window.view(values, 0).sum(axis=(3, 4), dtype=np.int64)
        return sums

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.window.pixels_needed(*pixels)

    def accumulators(self, reach: int, step: int) -> tuple[int, int]:
        # Over padding there are fewer to add, so that sums of odd numbers are odd or even.
        return reach * self.window.taps, 1 if any(self.window.padding) else step
