"""Input encodings: from float32 elements to integers, and to the bytes of an image on the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class BitEncoding:
    """One bit each: bit j is bit j % 8 of byte j // 8.

    Attributes:
        threshold: float32 (F,).
        invert: bool (F,).
        smallest: 0.
    """

    threshold: np.ndarray[Any, np.dtype[np.float32]]
    invert: np.ndarray[Any, np.dtype[np.bool_]]
    smallest: int = 0

    def fits(self, elements: int, element_bits: int) -> bool:
        """Whether this encodes `elements` elements into `element_bits` bits each."""
        return element_bits == 1 and self.threshold.shape == self.invert.shape == (elements,)

    @property
    def largest(self) -> int:
        """The greatest value of an encoded element; `smallest` is the least."""
        return 1

    def encode(self, values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, Any]:
        """(N, F) → bits (N, F): (x[j] >= threshold[j]) ^ invert[j]."""
        return (values >= self.threshold) ^ self.invert

    def pack(self, encoded: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Bits (N, F) → bytes (N, ⌈F / 8⌉)."""
        return np.packbits(encoded, axis=1, bitorder="little")


@dataclass(frozen=True)
class IntegerEncoding:
    """Whole bytes each, little endian; negative ones in two's complement.

    Attributes:
        steps: float32 (R, S), each row not decreasing.
        smallest: the integer below all steps.
        element_bytes: 1 or 2.
    """

    steps: np.ndarray[Any, np.dtype[np.float32]]
    smallest: int
    element_bytes: int

    def fits(self, elements: int, element_bits: int) -> bool:
        """Whether this encodes `elements` elements into `element_bits` bits each."""
        if self.steps.ndim != 2 or len(self.steps) < 1 or elements % len(self.steps):
            return False
        return element_bits in (8, 16) and self.steps.shape[1] < 1 << element_bits

    @property
    def largest(self) -> int:
        """The greatest value of an encoded element; `smallest` is the least."""
        return self.smallest + int(self.steps.shape[1])

    def encode(self, values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, Any]:
        """(N, F) → int64 (N, F): smallest + the number of steps[j mod R] <= x[j]."""
        rows = len(self.steps)
        integers = np.empty(values.shape, np.int64)
        for row, steps in enumerate(self.steps):
            taken = np.searchsorted(steps, values[:, row::rows], side="right")
            integers[:, row::rows] = self.smallest + taken
        return integers

    def pack(self, encoded: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Integers (N, F) → bytes (N, element_bytes · F)."""
        return encoded.astype(f"<u{self.element_bytes}").view(np.uint8)
