"""Channels of zeros: `PadChannels`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.dataflow.streams import Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class PadChannels(MoveNode):
    """Zeros before and behind the channels of every pixel.

    Attributes:
        before: channels of zeros in front.
        after: channels of zeros behind.
    """

    since: ClassVar[int] = 4

    before: int
    after: int

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if stream.element.bipolar:
            raise DataflowError(f"{self.name}: wanted integers, got {stream}, which has no 0")
        if min(self.before, self.after) < 0:
            raise DataflowError(f"{self.name}: wanted 0 or more channels of zeros")
        channels = self.before + stream.channels + self.after
        return Stream(shape=(*stream.shape[:-1], channels), element=stream.element)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """(N, …, C) → (N, …, before + C + after)."""
        widths = [(0, 0)] * (values.ndim - 1) + [(self.before, self.after)]
        return np.pad(values, widths)
