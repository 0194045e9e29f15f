"""Whether float32 arithmetic is exact: multiples of one power of two, and not too many of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_STEPS = 1 << 23  # a bit less than float32 has: a partial sum of {0, 1} is twice one of ±1
_LARGEST_EXPONENT = 100  # far from float32's smallest normal and largest number

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Per channel, all that some float32 values can be: multiples of `step` up to ±`bound`.

    Attributes:
        step: (C,), powers of two; infinite where 0 is the only value.
        bound: (C,).
    """

    step: Floats
    bound: Floats

    @classmethod
    def integers(cls, limit: int, channels: int) -> "Grid":
        """−limit … limit."""
        return cls(step=np.ones(channels), bound=np.full(channels, float(limit)))

    @property
    def is_exact(self) -> bool:
        """Whether float32 has all of these values, so that their sums up to ±bound do not round."""
        largest = 2.0**_LARGEST_EXPONENT
        fits = (self.bound <= self.step * _MOST_STEPS) & (self.bound <= largest)
        return bool((fits & (self.step >= 1 / largest)).all())

    def scaled(self, factor: Floats) -> "Grid":
        """Times a float32 factor, (C,) or one."""
        return Grid(step=self.step * _divisor(factor), bound=self.bound * np.abs(factor))

    def shifted(self, value: Floats) -> "Grid":
        """Plus a float32 value, (C,) or one."""
        return Grid(step=np.minimum(self.step, _divisor(value)), bound=self.bound + np.abs(value))

    def summed(self, terms: int) -> "Grid":
        """Sums of up to `terms` of them."""
        return Grid(step=self.step, bound=self.bound * terms)


def _divisor(values: Floats) -> Floats:
    """The largest power of two of which each float32 is a multiple; infinite for 0."""
    mantissa, exponent = np.frexp(np.where(np.isfinite(values), values, 0))
    digits = np.ldexp(mantissa, 24).astype(np.int64)
    return np.where(digits == 0, np.inf, np.ldexp((digits & -digits) * 1.0, exponent - 24))
