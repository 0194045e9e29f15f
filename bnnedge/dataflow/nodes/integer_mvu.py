"""Matrix-vector unit on integers: `IntegerMvu`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.mvu import Mvu
from bnnedge.dataflow.streams import BIPOLAR, Stream, signed_type
from bnnedge.errors import DataflowError

MOST_MAGNITUDE = 8
"""Of a weight: those of 4 bits have up to 8."""


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMvu(Mvu):
    """Matrix-vector unit on integer inputs: a first layer that sees pixels, or a layer of few bits.

    a[r] = Σ_c ±x[c] over MW columns, each times its magnitude if there are any. With thresholds the
    output is the bit (a >= thresholds[r]) ^ invert[r]; without, it is a.

    Attributes:
        name: unique in the graph.
        weights: uint8 (MH, MW), bits.
        thresholds: int32 (MH,), or None.
        invert: bool (MH,), or None with `thresholds`. Set where the BatchNorm scale is negative.
        groups: blocks of rows that see their own inputs only.
        magnitudes: uint8 (MH, MW), up to `MOST_MAGNITUDE`; or None.
    """

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        self._verify(stream, most=MOST_MAGNITUDE)
        if stream.element == BIPOLAR:
            raise DataflowError(f"{self.name}: wanted integer inputs, got {stream}")
        limit = self.accumulator_limit(stream.element)
        if limit >= 1 << 30:
            raise DataflowError(f"{self.name}: accumulators of {stream} exceed 31 bits")
        shape = (*stream.shape[:-1], self.mh)
        if self.thresholds is None:
            return Stream(shape=shape, element=signed_type(limit))
        if self.thresholds.shape != (self.mh,):
            raise DataflowError(f"{self.name}: wanted {self.mh} thresholds")
        if self.thresholds.min() < -limit - 1 or self.thresholds.max() > limit + 1:
            raise DataflowError(f"{self.name}: a threshold is outside ±{limit + 1}")
        return Stream(shape=shape, element=BIPOLAR)

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        """Integers (N, …, groups · MW) → bits (N, …, MH), uint8, or dot products, int64."""
        largest = int(np.abs(values).max(initial=0))
        dots = self._dot(values, int(self.sums.max()) * largest)
        if self.thresholds is None or self.invert is None:
            return dots
        return ((dots >= self.thresholds) ^ self.invert).astype(np.uint8)
