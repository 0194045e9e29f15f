"""Bits: how ±1 is written, how bits are packed, and how a network's own input becomes bits.

Everywhere in bnnedge +1 is bit 1 and −1 is bit 0 (QONNX's and FINN's choice), bit 0 of a word is
channel 0, and sign(0) = sign(−0) = +1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.errors import DataError, DataflowError

Bits = NDArray[np.uint8]


def bits_of(values: NDArray[Any]) -> Bits:
    """±1 (or any reals) of any shape → bits of the same shape: 1 where `values` >= 0."""
    return (values >= 0).astype(np.uint8)


def bipolar_of(bits: Bits) -> NDArray[np.int8]:
    """Bits of any shape → ±1 of the same shape."""
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


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
class ThresholdEncoding:
    """The host-side input encoding: each input bit compares one input element with a threshold.

    bit[j] = (x[source[j]] >= threshold[j]) ^ invert[j], with x flattened in C order and compared
    as float32. One-bit inputs, thermometers, input scalings folded into the threshold and constant
    bits (threshold −inf) all take this form, and none of them rounds.

    Attributes:
        name: what the encoding is called where it came from, e.g. "quantile_thermometer".
        input_shape: shape of one input, without the batch.
        source: int32 (F,), index into the flattened input.
        threshold: float32 (F,).
        invert: bool (F,).
    """

    name: str
    input_shape: tuple[int, ...]
    source: NDArray[np.int32]
    threshold: NDArray[np.float32]
    invert: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", frozen(self.source, np.int32))
        object.__setattr__(self, "threshold", frozen(self.threshold, np.float32))
        object.__setattr__(self, "invert", frozen(self.invert, np.bool_))

    @property
    def features(self) -> int:
        """Number of input bits F."""
        return len(self.source)

    @property
    def elements(self) -> int:
        """Number of elements of one input."""
        return int(np.prod(self.input_shape, dtype=np.int64))

    def verify(self) -> None:
        """Raises DataflowError where the arrays do not describe an encoding of `input_shape`."""
        if any(size < 1 for size in self.input_shape):
            raise DataflowError(f"input: shape {self.input_shape} has an empty dimension")
        if not (self.source.shape == self.threshold.shape == self.invert.shape):
            raise DataflowError("input: source, threshold and invert differ in length")
        if self.source.ndim != 1 or self.features < 1:
            raise DataflowError("input: the encoding gives no bits")
        if self.source.min() < 0 or self.source.max() >= self.elements:
            raise DataflowError(
                f"input: source index outside the {self.elements} elements of {self.input_shape}"
            )
        if np.isnan(self.threshold).any():
            raise DataflowError("input: a threshold is NaN")

    def encode(self, x: NDArray[Any]) -> Bits:
        """Inputs (N, *input_shape) of any real dtype → bits (N, F), uint8.

        Raises:
            DataError: wrong shape, not numbers, or NaN.
        """
        x = np.asarray(x)
        if x.shape[1:] != self.input_shape or x.ndim != len(self.input_shape) + 1:
            raise DataError(
                f"input: wanted shape (N, {', '.join(map(str, self.input_shape))}), got {x.shape}"
            )
        if x.dtype.kind not in "biuf":
            raise DataError(f"input: wanted real numbers, got dtype {x.dtype}")
        flat = x.reshape(len(x), self.elements).astype(np.float32)
        if np.isnan(flat).any():
            raise DataError("input: holds NaN")
        return ((flat[:, self.source] >= self.threshold) ^ self.invert).astype(np.uint8)
