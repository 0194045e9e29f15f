"""Channels of two streams side by side: `Concat`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.dataflow.streams import BIPOLAR, ElementType, Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class Concat(MoveNode):
    """The channels of the first stream, then those of the second, pixel by pixel."""

    arity: ClassVar[int] = 2
    since: ClassVar[int] = 4

    def output_stream(self, first: Stream, second: Stream) -> Stream:
        """Type of the output; raises DataflowError if pixels or element types differ."""
        if first.shape[:-1] != second.shape[:-1] or first.element.bipolar != second.element.bipolar:
            raise DataflowError(
                f"{self.name}: wanted as many pixels, all of bits or all of integers, got {first}"
                f" and {second}"
            )
        element = BIPOLAR
        if not first.element.bipolar:
            pair = (first.element, second.element)
            element = ElementType.holding(min(e.least for e in pair), max(e.most for e in pair))
        channels = first.channels + second.channels
        return Stream(shape=(*first.shape[:-1], channels), element=element)

    def run(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        """(N, …, C1) and (N, …, C2) → (N, …, C1 + C2)."""
        return np.concatenate([first, second], axis=-1)
