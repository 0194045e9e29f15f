"""Nodes that slide a window over a feature map: im2col, max-pool, sum-pool on integers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.streams import BIPOLAR, MOST_ELEMENTS, Stream, signed_type
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which pixels of a feature map each output pixel sees, as ONNX's Conv defines it.

    Attributes:
        kernel: (height, width) in taps.
        stride: (vertical, horizontal), in pixels.
        dilation: (vertical, horizontal) distance of neighbouring taps.
        padding: pixels added at the (top, left, bottom, right).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def taps(self) -> int:
        """Pixels that an output pixel sees."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> tuple[int, int]:
        """(Height, width) from the first to the last tap, both included."""
        rows, columns = (
            (taps - 1) * distance + 1
            for taps, distance in zip(self.kernel, self.dilation, strict=True)
        )
        return rows, columns

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Output (height, width) for an input of (`height`, `width`); 0 or less if none fits."""
        top, left, bottom, right = self.padding
        rows = (height + top + bottom - self.span[0]) // self.stride[0] + 1
        columns = (width + left + right - self.span[1]) // self.stride[1] + 1
        return rows, columns

    def verify(self, name: str, stream: Stream) -> tuple[int, int]:
        """The output (height, width) for `stream`; raises DataflowError if the window misfits."""
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise DataflowError(f"{name}: {self} is no window")
        if len(stream.shape) != 3:
            raise DataflowError(f"{name}: wanted a feature map (H, W, C), got {stream}")
        height, width = self.output_size(*stream.shape[:2])
        if min(height, width) < 1:
            raise DataflowError(
                f"{name}: a window of {self.span[0]} x {self.span[1]} does not fit into"
                f" {stream} padded by {self.padding}"
            )
        top, left, bottom, right = self.padding
        rows, columns = stream.shape[0] + top + bottom, stream.shape[1] + left + right
        largest = max(rows * columns, height * width * self.taps) * stream.channels
        if largest > MOST_ELEMENTS:
            raise DataflowError(
                f"{name}: windows of {self.taps} taps on {stream} padded by {self.padding} see"
                f" {largest} elements, wanted at most {MOST_ELEMENTS}"
            )
        return height, width

    def view(self, pixels: NDArray[Any], fill: int | NDArray[Any]) -> NDArray[Any]:
        """Every window of padded feature maps, as a view.

        Args:
            pixels: (N, H, W, C).
            fill: the value of padding: one, or one per channel.

        Returns:
            (N, OH, OW, kernel height, kernel width, C).
        """
        top, left, bottom, right = self.padding
        count, height, width, channels = pixels.shape
        if any(self.padding):
            padded = np.empty(
                (count, height + top + bottom, width + left + right, channels), pixels.dtype
            )
            padded[:] = fill
            padded[:, top : top + height, left : left + width] = pixels
            pixels = padded
        windows = np.lib.stride_tricks.sliding_window_view(pixels, self.span, axis=(1, 2))
        windows = windows[
            :, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]
        ]
        return np.moveaxis(windows, 3, 5)

    def inside(self, height: int, width: int) -> NDArray[np.bool_]:
        """Which taps of each window are pixels and not padding: (OH, OW, taps)."""
        view = self.view(np.ones((1, height, width, 1), np.bool_), 0)
        return view.reshape(*view.shape[1:3], self.taps)


@dataclass(frozen=True, kw_only=True)
class SlidingWindow:
    """Feature map → one vector per output pixel that holds the window's pixels (im2col).

    (H, W, C) → (OH, OW, taps · C), in the order [group][tap row][tap column][channel in group].

    Attributes:
        name: unique in the graph.
        window: kernel, stride, dilation and padding.
        fill: what padding is: bit 0 or 1, or an integer of the stream.
        groups: parts that the channels are split into, for grouped and depthwise convolutions.
    """

    name: str
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


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool:
    """The largest integer of a window; on bits OR, or AND where the bit falls as the integer rises.

    A maximum over accumulators followed by a threshold is the OR of the thresholds, and the AND
    of inverted ones. Padding is left out of all.

    Attributes:
        name: unique in the graph.
        window: kernel, stride, dilation and padding.
        conjunction: bool (C,), AND instead of OR; None for integers.
    """

    name: str
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


@dataclass(frozen=True, kw_only=True)
class SumPool:
    """Sums of integers over a window; padding adds nothing.

    An average is such a sum, divided: the thresholds or the output table behind it divide.

    Attributes:
        name: unique in the graph.
        window: kernel, stride, dilation and padding.
    """

    name: str
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
