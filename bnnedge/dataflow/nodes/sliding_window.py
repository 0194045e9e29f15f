"""Windows as vectors, im2col: `SlidingWindow`."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.dataflow.streams import BIPOLAR, Stream
from bnnedge.dataflow.window import Window
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class SlidingWindow(MoveNode):
    """Feature map → one vector per output pixel that holds the window's pixels (im2col).

    (H, W, C) → (OH, OW, taps · C), in the order
    `[group][tap row][tap column][channel in group]`.

    Attributes:
        window: kernel, stride, dilation and padding.
        fill: what padding is: bit 0 or 1, or an integer of the stream.
        groups: parts that the channels are split into, for grouped and depthwise convolutions.
    """

    window: Window
    fill: int = 0
    groups: int = 1

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        height, width = self.window.verify(self.name, stream)
        if self.groups < 1 or stream.channels % self.groups:
            raise DataflowError(
                f"{self.name}: {stream.channels} channels do not split into {self.groups} groups"
            )
        low, high = (
            (0, 1)
            if stream.element == BIPOLAR
            else (stream.element.smallest, stream.element.largest)
        )
        if not low <= self.fill <= high:
            raise DataflowError(f"{self.name}: padding {self.fill} is no {stream.element}")
        channels = self.window.taps * stream.channels
        return Stream(shape=(height, width, channels), element=stream.element)

    def run(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(N, H, W, C) → (N, OH, OW, taps · C) of the same dtype."""
        view = self.window.view(pixels, self.fill)
        shape = (*view.shape[:5], self.groups, pixels.shape[3] // self.groups)
        grouped = np.moveaxis(view.reshape(shape), 5, 3)
        return grouped.reshape(*view.shape[:3], -1)

    @property
    def padding(self) -> int:
        return self.fill

    def moved(self, *numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return dataclasses.replace(self, fill=0).run(*numbers)

    def is_wire(self, *streams: Stream) -> bool:
        """That is so for 1x1 windows, and for one window that is the whole feature map."""
        window = self.window
        if any(window.padding) or window.dilation != (1, 1):
            return False
        return (window.kernel == (1, 1) and window.stride == (1, 1)) or (
            window.kernel == streams[0].shape[:2] and self.groups == 1
        )

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.window.pixels_needed(*pixels)
