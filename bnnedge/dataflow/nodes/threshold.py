"""Integers to bits: `Threshold`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import BIPOLAR, Stream
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True, eq=False)
class Threshold(BaseNode):
    """Integers → bits, where no matrix-vector unit is right before: (x >= threshold) ^ invert.

    Attributes:
        thresholds: int32 (C,).
        invert: bool (C,).
    """

    thresholds: NDArray[np.int32]
    invert: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int32))
        object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if stream.element == BIPOLAR:
            raise DataflowError(f"{self.name}: wanted integers, got {stream}")
        wanted = (stream.channels,)
        if self.thresholds.shape != wanted or self.invert.shape != wanted:
            raise DataflowError(
                f"{self.name}: wanted {stream.channels} thresholds and invert flags"
            )
        return Stream(shape=stream.shape, element=BIPOLAR)

    def run(self, values: NDArray[Any]) -> Bits:
        """Integers (N, …, C) → bits (N, …, C)."""
        return ((values >= self.thresholds) ^ self.invert).astype(np.uint8)
