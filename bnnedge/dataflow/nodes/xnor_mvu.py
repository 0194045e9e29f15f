"""Matrix-vector unit on ±1: `XnorMvu`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.nodes.mvu import Mvu
from bnnedge.dataflow.streams import BIPOLAR, Stream, signed_type
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True, eq=False)
class XnorMvu(Mvu):
    """Matrix-vector unit on ±1: a popcount of XNORs per row, then a threshold if there is one.

    p[r] = #{c : weights[r, c] == x[c]} over MW columns, or those of magnitude 1 if there are
    magnitudes. With thresholds the output is the bit (p >= thresholds[r]) ^ invert[r]; without, it
    is the ±1 dot product 2p − n[r] with n[r] such columns.

    Behind a window that is padded with exact zeros, where there is no bit for 0, padding is bit 0
    and `border` makes up for it: pixels see the same padding in classes (corners, edges, the
    inside, …), and each class has its own thresholds, or its own correction of the dot product.

    Attributes:
        name: unique in the graph.
        weights: uint8 (MH, MW), bits.
        thresholds: int32 (MH,), or (classes, MH) with `border`, in [0, MW + 1]; or None. 0 is
            always reached, MW + 1 never.
        invert: bool (MH,), or None with `thresholds`. Set where the BatchNorm scale is negative.
        groups: blocks of rows that see their own inputs only.
        magnitudes: uint8 (MH, MW) of 0 and 1: a column of magnitude 0 does not count; or None.
        border: int32 (OH, OW), the class of every pixel; None where all are alike.
        correction: int32 (classes, MH), added to the dot product; with `border` and without
            `thresholds` only.
    """

    border: NDArray[np.int32] | None = None
    correction: NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.border is not None:
            object.__setattr__(self, "border", frozen(self.border, np.int32))
        if self.correction is not None:
            object.__setattr__(self, "correction", frozen(self.correction, np.int32))

    @property
    def classes(self) -> int:
        """Number of border classes."""
        return 1 if self.border is None else int(self.border.max()) + 1

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        self._verify(stream, most=1)
        if stream.element != BIPOLAR:
            raise DataflowError(f"{self.name}: wanted BIPOLAR inputs, got {stream}")
        self._verify_border(stream)
        shape = (*stream.shape[:-1], self.mh)
        if self.thresholds is None:
            return Stream(shape=shape, element=signed_type(self.mw))
        wanted = (self.mh,) if self.border is None else (self.classes, self.mh)
        if self.thresholds.shape != wanted:
            raise DataflowError(
                f"{self.name}: wanted thresholds {wanted}, got {self.thresholds.shape}"
            )
        if self.thresholds.min() < 0 or self.thresholds.max() > self.mw + 1:
            raise DataflowError(f"{self.name}: a threshold is outside [0, {self.mw + 1}]")
        return Stream(shape=shape, element=BIPOLAR)

    def _verify_border(self, stream: Stream) -> None:
        if self.border is None:
            if self.correction is not None:
                raise DataflowError(f"{self.name}: a correction wants border classes")
            return
        if self.border.shape != stream.shape[:-1] or self.border.min() < 0:
            raise DataflowError(
                f"{self.name}: wanted a border class for each of {stream.shape[:-1]} pixels,"
                f" got {self.border.shape}"
            )
        if (self.correction is None) == (self.thresholds is None):
            raise DataflowError(f"{self.name}: border classes want thresholds or a correction")
        if self.correction is not None:
            if self.correction.shape != (self.classes, self.mh):
                raise DataflowError(
                    f"{self.name}: wanted corrections {(self.classes, self.mh)},"
                    f" got {self.correction.shape}"
                )
            if self.correction.min() < -self.mw or self.correction.max() > self.mw:
                raise DataflowError(f"{self.name}: a correction exceeds {self.mw}")

    def accumulators(self, reach: int, step: int) -> tuple[int, int]:
        even = self.correction is None and len(np.unique(self.sums % 2)) == 1
        return int(self.sums.max()) * reach, step if even else 1

    def popcounts(self, bits: Bits) -> NDArray[np.int64]:
        """Bits (N, …, groups · MW) → popcounts (N, …, MH)."""
        return (self._dot(2 * bits.astype(np.int8) - 1, self.mw) + self.sums) // 2

    def run(self, bits: Bits) -> NDArray[Any]:
        """Bits (N, …, groups · MW) → bits (N, …, MH), uint8, or dot products, int64."""
        return self.finish(self.popcounts(bits))

    def finish(self, count: NDArray[np.int64]) -> NDArray[Any]:
        """Popcounts (N, …, MH) → what `run` gives."""
        if self.thresholds is None or self.invert is None:
            dots = 2 * count - self.sums
            return dots if self.correction is None else dots + self.correction[self.border]
        thresholds = self.thresholds if self.border is None else self.thresholds[self.border]
        return ((count >= thresholds) ^ self.invert).astype(np.uint8)
