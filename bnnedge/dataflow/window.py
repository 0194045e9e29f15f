"""Which pixels of a feature map each output pixel sees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.streams import MOST_ELEMENTS, Stream
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

    def pixels_needed(self, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many pixels of a stream must have come for each window, which comes in its turn.

        Padding waits for the first pixel of its image.

        Args:
            pixels: (H, W), how many must have come for each of the input's.

        Returns:
            (OH, OW).
        """
        view = self.view(pixels[None, ..., None], pixels[0, 0])
        most = view.max(axis=(3, 4))
        return np.maximum.accumulate(most.reshape(-1)).reshape(most.shape[1:3])
