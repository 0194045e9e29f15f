"""A feature map as a vector: `Flatten`."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bnnedge.dataflow.streams import Stream


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """A feature map as one vector, in the order in which it streams: [row][column][channel]."""

    name: str

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`."""
        return Stream(shape=(stream.elements,), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, …) → (N, elements)."""
        return values.reshape(len(values), -1)
