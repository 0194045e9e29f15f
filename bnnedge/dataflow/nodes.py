"""The nodes of a Dataflow, each with its integer semantics in numpy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.encoding import Bits
from bnnedge.errors import DataflowError


@dataclass(frozen=True, kw_only=True)
class ElementType:
    """What one element of a stream is; `str()` gives QONNX's name for it.

    Attributes:
        width_bits: bits of one element.
        signed: two's complement integer.
        bipolar: a bit that stands for ±1.
    """

    width_bits: int
    signed: bool = False
    bipolar: bool = False

    def __str__(self) -> str:
        if self.bipolar:
            return "BIPOLAR"
        return f"{'INT' if self.signed else 'UINT'}{self.width_bits}"


BIPOLAR = ElementType(width_bits=1, bipolar=True)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The type of the data between two nodes: `channels` elements per image."""

    channels: int
    element: ElementType


def accumulator_type(synapses: int) -> ElementType:
    """The narrowest signed integer that holds every dot product of `synapses` ±1 pairs."""
    return ElementType(width_bits=synapses.bit_length() + 1, signed=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class XnorMvu:
    """Matrix-vector unit on ±1: a popcount of XNORs per row, then a threshold if there is one.

    p[r] = #{c : weights[r, c] == x[c]} over MW columns. With thresholds the output is the bit
    (p >= thresholds[r]) ^ invert[r]; without, it is the ±1 dot product 2p − MW.

    Attributes:
        name: unique in the graph.
        weights: uint8 (MH, MW), bits.
        thresholds: int32 (MH,) in [0, MW + 1], or None. 0 is always reached, MW + 1 never.
        invert: bool (MH,), or None with `thresholds`. Set where the BatchNorm scale is negative.
    """

    name: str
    weights: Bits
    thresholds: NDArray[np.int32] | None = None
    invert: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.uint8))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int32))
        if self.invert is not None:
            object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    @property
    def mh(self) -> int:
        """Matrix height: output channels."""
        return int(self.weights.shape[0])

    @property
    def mw(self) -> int:
        """Matrix width: synapses per output channel."""
        return int(self.weights.shape[1])

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        self._verify()
        if stream != Stream(channels=self.mw, element=BIPOLAR):
            raise DataflowError(
                f"{self.name}: wanted {self.mw} BIPOLAR inputs,"
                f" got {stream.channels} {stream.element}"
            )
        element = BIPOLAR if self.thresholds is not None else accumulator_type(self.mw)
        return Stream(channels=self.mh, element=element)

    def _verify(self) -> None:
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise DataflowError(f"{self.name}: weights have shape {self.weights.shape}")
        if self.weights.max() > 1:
            raise DataflowError(f"{self.name}: weights hold more than 0 and 1")
        if (self.thresholds is None) != (self.invert is None):
            raise DataflowError(f"{self.name}: thresholds and invert go together")
        if self.thresholds is None or self.invert is None:
            return
        if self.thresholds.shape != (self.mh,) or self.invert.shape != (self.mh,):
            raise DataflowError(f"{self.name}: wanted {self.mh} thresholds and invert flags")
        if self.thresholds.min() < 0 or self.thresholds.max() > self.mw + 1:
            raise DataflowError(f"{self.name}: a threshold is outside [0, {self.mw + 1}]")

    def popcounts(self, bits: Bits) -> NDArray[np.int64]:
        """Bits (N, MW) → popcounts (N, MH)."""
        # Sums of ones are exact in float64 below 2^53, and BLAS is 50 times faster than integers.
        x, w = bits.astype(np.float64), self.weights.astype(np.float64)
        agree: NDArray[np.float64] = x @ w.T + (1 - x) @ (1 - w).T
        return agree.astype(np.int64)

    def run(self, bits: Bits) -> NDArray[Any]:
        """Bits (N, MW) → bits (N, MH), uint8, or dot products (N, MH), int64."""
        count = self.popcounts(bits)
        if self.thresholds is None or self.invert is None:
            return 2 * count - self.mw
        return ((count >= self.thresholds) ^ self.invert).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class ArgMax:
    """The class: index of the largest element, the lowest index among equals."""

    name: str

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if not stream.element.signed:
            raise DataflowError(f"{self.name}: wanted signed integers, got {stream.element}")
        width = max(1, (stream.channels - 1).bit_length())
        return Stream(channels=1, element=ElementType(width_bits=width))

    def run(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Integers (N, K) → classes (N, 1)."""
        classes: NDArray[np.int64] = values.argmax(axis=1, keepdims=True)
        return classes


Node = XnorMvu | ArgMax


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputTable:
    """The host-side output affine, tabulated: the float output for every reachable accumulator.

    The original graph's tail (scalings, biases, BatchNorm) is elementwise, and an accumulator over
    MW synapses takes only MW + 1 values, so the table holds the tail's own float32 results
    and no order of operations needs to be imitated.

    Attributes:
        values: float32 (K, MW + 1); column p is the output at popcount p, i.e. at accumulator
            2p − MW.
        classes: the original graph ends in top-1, so its output is a class.
    """

    values: NDArray[np.float32]
    classes: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, np.float32))

    @property
    def keeps_order(self) -> bool:
        """Whether accumulators order classes, ties included, exactly as the float outputs do."""
        first = self.values[0]
        return bool((np.diff(first) > 0).all() and (self.values == first).all())

    def logits(self, accumulators: NDArray[np.int64]) -> NDArray[np.float32]:
        """Accumulators (N, K) → float outputs (N, K)."""
        synapses = self.values.shape[1] - 1
        floats: NDArray[np.float32] = self.values[
            np.arange(len(self.values)), (accumulators + synapses) // 2
        ]
        return floats

    def verify(self, mvu: XnorMvu) -> None:
        """Raises DataflowError unless the table fits the accumulators of `mvu`."""
        if self.values.shape != (mvu.mh, mvu.mw + 1):
            raise DataflowError(
                f"output: wanted a table of shape {(mvu.mh, mvu.mw + 1)}, got {self.values.shape}"
            )
        if not np.isfinite(self.values).all():
            raise DataflowError("output: the table holds NaN or infinity")
