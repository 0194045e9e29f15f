"""Bits: how ±1 is written, how bits are packed, and how a network's own input becomes bits.

Everywhere in bnnedge +1 is bit 1 and −1 is bit 0 (QONNX's and FINN's choice), bit 0 of a word is
channel 0, and sign(0) = sign(−0) = +1.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import as_array, frozen
from bnnedge.dataflow.streams import BIPOLAR, MOST_ELEMENTS, ElementType, Stream
from bnnedge.errors import DataError, DataflowError, named

Bits = NDArray[np.uint8]


def bits_of(values: NDArray[Any]) -> Bits:
    """±1 (or any reals) of any shape → bits of the same shape: 1 where `values` >= 0."""
    return (values >= 0).astype(np.uint8)


def pack(bits: Bits, word_bytes: int) -> Bits:
    """Bits (N, F) → bytes (N, B): bit j is bit j % 8 of byte j // 8, zero padded to whole words.

    Args:
        bits: uint8 zeros and ones.
        word_bytes: B is the smallest multiple of this that holds F bits.
    """
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % word_bytes)))


def unpack(packed: Bits, count: int) -> Bits:
    """Bytes (N, B) → the first `count` bits (N, count); the inverse of `pack`."""
    return np.unpackbits(packed, axis=1, count=count, bitorder="little")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Encoding:
    """What both encodings share: which element of the network's own input feeds which output.

    Attributes:
        name: what the encoding is called where it came from, e.g. "quantile_thermometer".
        input_shape: shape of one input, without the batch.
        output_shape: shape of the stream that comes out: (F,), or (H, W, C).
        source: int32 (F,), index into the flattened input, for the outputs in stream order.
        declared: what the user says that inputs hold: others are refused; None: any real numbers.
    """

    name: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    source: NDArray[np.int32]
    declared: ElementType | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", frozen(self.source, np.int32))

    @property
    def features(self) -> int:
        """Number of outputs F."""
        return len(self.source)

    @property
    def elements(self) -> int:
        """Number of elements of one input."""
        return math.prod(self.input_shape)

    def _verify(self) -> None:
        if min(self.input_shape, default=0) < 1 or self.elements > MOST_ELEMENTS:
            raise DataflowError(
                f"input: wanted 1 to {MOST_ELEMENTS} elements, got shape {self.input_shape}"
            )
        if self.source.ndim != 1 or self.features < 1:
            raise DataflowError("input: the encoding gives nothing")
        fits = len(self.output_shape) in (1, 3) and min(self.output_shape) > 0
        if not fits or math.prod(self.output_shape) != self.features:
            raise DataflowError(
                f"input: {self.features} outputs do not have shape {self.output_shape}"
            )
        if self.source.min() < 0 or self.source.max() >= self.elements:
            raise DataflowError(
                f"input: source index outside the {self.elements} elements of {self.input_shape}"
            )

    def allowed(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The nearest inputs that are as declared; they are encoded alike."""
        if self.declared is None:
            return x
        if self.declared.bipolar:
            return np.where(x >= 0, np.float32(1), np.float32(-1))
        return np.asarray(np.rint(x.clip(self.declared.least, self.declared.most)), np.float32)

    def check(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """A batch (N, *input_shape) of any real dtype → float32 (N, elements).

        Raises:
            DataError: wrong shape, not numbers, NaN, or other values than declared.
        """
        x = as_array(x)
        if x.shape[1:] != self.input_shape or x.ndim != len(self.input_shape) + 1:
            raise DataError(
                f"input: wanted shape (N, {', '.join(map(str, self.input_shape))}), got {x.shape}"
            )
        if x.dtype.kind not in "biuf":
            raise DataError(f"input: wanted real numbers, got dtype {x.dtype}")
        flat = x.reshape(len(x), self.elements).astype(np.float32)
        if np.isnan(flat).any():
            raise DataError("input: holds NaN")
        if self.declared is not None and (wrong := flat != self.allowed(flat)).any():
            image, place = (int(index) for index in np.argwhere(wrong)[0])
            raise DataError(
                f"input: holds {flat[image, place]:g} in image {image}, and was declared to hold"
                f" {self.declared}",
                remedy=f"give such values, or lower the network with another {named('input')}",
            )
        return flat

    def _gather(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Inputs (N, *input_shape) → the element behind each output (N, F)."""
        gathered: NDArray[np.float32] = self.check(x)[:, self.source]
        return gathered


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdEncoding(_Encoding):
    """The host-side input encoding: each input bit compares one input element with a threshold.

    bit[j] = (x[source[j]] >= threshold[j]) ^ invert[j], with x flattened in C order and compared
    as float32. One-bit inputs, thermometers, input scalings folded into the threshold and constant
    bits (threshold −inf) all take this form, and none of them rounds.

    Attributes:
        name: what the encoding is called where it came from, e.g. "quantile_thermometer".
        input_shape: shape of one input, without the batch.
        output_shape: shape of the bits that come out: (F,), or (H, W, C).
        source: int32 (F,), index into the flattened input, for the bits in stream order.
        threshold: float32 (F,).
        invert: bool (F,).
    """

    threshold: NDArray[np.float32]
    invert: NDArray[np.bool_]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "threshold", frozen(self.threshold, np.float32))
        object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    @property
    def stream(self) -> Stream:
        """Type of what comes out."""
        return Stream(shape=self.output_shape, element=BIPOLAR)

    def verify(self) -> None:
        """Raises DataflowError where the arrays do not describe an encoding of `input_shape`."""
        if not (self.source.shape == self.threshold.shape == self.invert.shape):
            raise DataflowError("input: source, threshold and invert differ in length")
        self._verify()
        if np.isnan(self.threshold).any():
            raise DataflowError("input: a threshold is NaN")

    def encode(self, x: NDArray[Any]) -> Bits:
        """Inputs (N, *input_shape) of any real dtype → bits (N, *output_shape), uint8.

        Raises:
            DataError: see `check`.
        """
        bits = ((self._gather(x) >= self.threshold) ^ self.invert).astype(np.uint8)
        return bits.reshape(len(bits), *self.output_shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerEncoding(_Encoding):
    """The host-side encoding of inputs that the hardware takes as integers, e.g. 8-bit pixels.

    value[j] = smallest + #{s : x[source[j]] >= steps[j mod R, s]}, compared as float32. A
    quantiser's scale, zero point and rounding are all in the steps, so none of them is imitated.

    Attributes:
        name: what the encoding is called where it came from, e.g. "uint8".
        input_shape: shape of one input, without the batch.
        output_shape: shape of the integers that come out: (F,), or (H, W, C).
        source: int32 (F,), index into the flattened input, for the integers in stream order.
        element: type of the integers.
        steps: float32 (R, largest − smallest), each row not decreasing; R divides the channels.
            +inf is a step that is never taken, −inf one that always is.
    """

    element: ElementType
    steps: NDArray[np.float32]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "steps", frozen(self.steps, np.float32))

    @property
    def stream(self) -> Stream:
        """Type of what comes out."""
        return Stream(shape=self.output_shape, element=self.element)

    def verify(self) -> None:
        """Raises DataflowError where the arrays do not describe an encoding of `input_shape`."""
        self._verify()
        if self.element.bipolar or not 1 <= self.element.width_bits <= 16:
            raise DataflowError(f"input: wanted integers of 1 to 16 bits, got {self.element}")
        wanted = self.element.largest - self.element.smallest
        if self.steps.ndim != 2 or self.steps.shape[1] != wanted or not self.steps.size:
            raise DataflowError(f"input: wanted {wanted} steps, got {self.steps.shape}")
        if self.output_shape[-1] % len(self.steps):
            raise DataflowError(
                f"input: {len(self.steps)} rows of steps do not divide the channels"
            )
        if np.isnan(self.steps).any() or (self.steps[:, 1:] < self.steps[:, :-1]).any():
            raise DataflowError("input: steps decrease or are NaN")

    def encode(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Inputs (N, *input_shape) of any real dtype → integers (N, *output_shape), int32.

        Raises:
            DataError: see `check`.
        """
        values = self._gather(x)
        rows = len(self.steps)
        out = np.empty(values.shape, np.int32)
        for row, steps in enumerate(self.steps):
            part = np.searchsorted(steps, values[:, row::rows], side="right")
            out[:, row::rows] = self.element.smallest + part
        return out.reshape(len(out), *self.output_shape)
