"""Input encodings: from float32 elements to integers, and to the bytes of an image on the line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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

    def encode(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, F), float32 or uint8 → bits (N, F): (x[j] >= threshold[j]) ^ invert[j]."""
        if values.dtype == np.uint8:
            limit, flip = self._of_bytes
            bits: np.ndarray[Any, Any] = (values > limit) ^ flip
        else:
            bits = (values >= self.threshold) ^ self.invert
        return bits

    @cached_property
    def _of_bytes(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Limits and inversions with which (x > limit) ^ flip does the same for every byte x."""
        below = np.ceil(self.threshold) - 1  # the greatest integer below the threshold
        always, never = below < 0, below > 255
        limit = np.where(always | never, 255, below).astype(np.uint8)  # x > 255 is never true
        return limit, self.invert ^ always

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

    def encode(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, F), float32 or uint8 → (N, F): smallest + the number of steps[j mod R] <= x[j].

        It is int64, or for uint8 a small type that holds all integers of the encoding.
        """
        rows = len(self.steps)
        if values.dtype == np.uint8:
            integers = np.empty(values.shape, self._of_bytes.dtype)
            for row, table in enumerate(self._of_bytes):
                integers[:, row::rows] = np.take(table, values[:, row::rows])
            return integers
        integers = np.empty(values.shape, np.int64)
        for row, steps in enumerate(self.steps):
            taken = np.searchsorted(steps, values[:, row::rows], side="right")
            integers[:, row::rows] = self.smallest + taken
        return integers

    @cached_property
    def _of_bytes(self) -> np.ndarray[Any, Any]:
        """(R, 256): what becomes of every byte in each row."""
        every = np.arange(256, dtype=np.float32)
        table = [self.smallest + np.searchsorted(row, every, side="right") for row in self.steps]
        small = np.result_type(np.min_scalar_type(self.smallest), np.min_scalar_type(self.largest))
        return np.stack(table).astype(small)

    def pack(self, encoded: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Integers (N, F) → bytes (N, element_bytes · F)."""
        return encoded.astype(f"<u{self.element_bytes}").view(np.uint8)
