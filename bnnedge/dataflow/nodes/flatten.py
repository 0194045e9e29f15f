"""A feature map as a vector: `Flatten`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.dataflow.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Flatten(MoveNode):
    """A feature map as one vector, in the order in which it streams: `[row][column][channel]`."""

    follows_last: ClassVar[bool] = True

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`."""
        return Stream(shape=(stream.elements,), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, …) → (N, elements)."""
        return values.reshape(len(values), -1)

    def is_wire(self, *streams: Stream) -> bool:
        return True

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(pixels[0].max())
