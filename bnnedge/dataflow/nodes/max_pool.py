"""The largest of a window, or OR and AND: `MaxPool`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import BIPOLAR, Stream
from bnnedge.dataflow.window import Window
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(BaseNode):
    """The largest integer of a window; on bits OR, or AND where the bit falls as the integer rises.

    A maximum over accumulators followed by a threshold is the OR of the thresholds, and the AND
    of inverted ones. Padding is left out of all.

    Attributes:
        window: kernel, stride, dilation and padding.
        conjunction: bool (C,), AND instead of OR; None for integers.
    """

    window: Window
    conjunction: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.conjunction is not None:
            object.__setattr__(self, "conjunction", frozen(self.conjunction, np.bool_))

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        height, width = self.window.verify(self.name, stream)
        if self.conjunction is None:
            if stream.element == BIPOLAR:
                raise DataflowError(f"{self.name}: wanted integers, got {stream}")
        elif stream.element != BIPOLAR or self.conjunction.shape != (stream.channels,):
            raise DataflowError(
                f"{self.name}: wanted {self.conjunction.size} BIPOLAR channels, got {stream}"
            )
        if not self.window.inside(*stream.shape[:2]).any(axis=2).all():
            raise DataflowError(f"{self.name}: a window sees nothing but padding")
        return Stream(shape=(height, width, stream.channels), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """Bits or integers (N, H, W, C) → the same (N, OH, OW, C), of the same dtype."""
        if self.conjunction is None:
            least = int(np.iinfo(values.dtype).min)
            return np.asarray(self.window.view(values, least).max(axis=(3, 4)))
        flips = self.conjunction.astype(np.uint8)
        view = self.window.view(values ^ flips, 0)
        return np.asarray(view.max(axis=(3, 4)) ^ flips)

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.window.pixels_needed(*pixels)

    @property
    def oldest_version(self) -> int:
        return 4 if self.conjunction is None else self.since
