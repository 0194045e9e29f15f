"""Without the first rows and columns: `Crop`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.dataflow.streams import Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class Crop(MoveNode):
    """A feature map without its first rows and columns.

    Attributes:
        top: rows to leave out.
        left: columns to leave out.
    """

    since: ClassVar[int] = 4

    top: int
    left: int

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if len(stream.shape) != 3:
            raise DataflowError(f"{self.name}: wanted a feature map (H, W, C), got {stream}")
        height, width, channels = stream.shape
        if not (0 <= self.top < height and 0 <= self.left < width):
            raise DataflowError(
                f"{self.name}: {self.top} rows and {self.left} columns leave nothing of {stream}"
            )
        shape = (height - self.top, width - self.left, channels)
        return Stream(shape=shape, element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, H, W, C) → (N, H − top, W − left, C)."""
        return values[:, self.top :, self.left :]

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        return pixels[0][self.top :, self.left :]
