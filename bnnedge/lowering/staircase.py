"""The integers that a first layer sees: a scale, and offsets, of which all its values are made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.lowering.notes import is_exact_factor

_MOST_LEVELS = 256
_LARGEST = 255


@dataclass(frozen=True, kw_only=True, eq=False)
class Stairs:
    """Values as `integers` · `scale` + `offset`.

    Attributes:
        integers: int64 (rows, C).
        scale: float32.
        offset: float64 (C,), or (1,) zeros.
    """

    integers: NDArray[np.int64]
    scale: np.float32
    offset: NDArray[np.float64]


def integers_of(made: NDArray[np.float32], *, padded: bool) -> Stairs | None:
    """What the values of each channel, `made` (rows, C), two of them at least, are as integers.

    Multiples of one scale if they are that; of half of it, so that x/127.5 − 1 and the 0 of
    padding are; or, where nothing is padded, multiples and an offset in each channel.
    """
    levels = np.unique(made).astype(np.float64)
    gap = float(np.diff(levels).min())
    for step in (gap, gap / 2) if padded else (gap,):
        ints = np.rint(levels / step).astype(np.int64)
        largest = np.abs(ints).argmax()
        scale = np.float32(levels[largest] / ints[largest] if ints[largest] else gap)
        # What was subtracted from, as pixels are, rounds where it comes near 0.
        size = np.abs(levels) if step == gap else np.abs(levels).max()
        if _fits(levels, ints, scale, 2.0**-20 * size):
            integers = ints[np.searchsorted(levels, made.astype(np.float64))]
            return Stairs(integers=integers, scale=scale, offset=np.zeros(1))
    return None if padded else _with_offsets(made, float(np.abs(levels).max()))


def _with_offsets(made: NDArray[np.float32], size: float) -> Stairs | None:
    gaps = np.diff(made.astype(np.float64), axis=0)
    step = float(gaps[gaps > 0].min(initial=np.inf))
    lowest = made.min(axis=0).astype(np.float64)
    integers = np.rint((made - lowest) / step).astype(np.int64)
    row, channel = np.unravel_index(integers.argmax(), integers.shape)
    largest = max(1, int(integers[row, channel]))
    scale = np.float32((made[row, channel] - lowest[channel]) / largest)
    wrong = np.abs(integers * np.float64(scale) + lowest - made) > 2.0**-20 * size
    if integers.max() > _LARGEST or wrong.any():
        return None
    return Stairs(integers=integers, scale=scale, offset=lowest)


def _fits(
    levels: NDArray[np.float64],
    ints: NDArray[np.int64],
    scale: np.float32,
    tolerance: NDArray[np.float64],
) -> bool:
    """Whether all levels are `ints` · `scale`, in 9 bits with a sign at most."""
    wrong = np.abs(ints * np.float64(scale) - levels) > tolerance
    if is_exact_factor(np.array([scale])):
        wrong = ints * np.float64(scale) != levels
    few = np.abs(ints).max() <= _LARGEST and len(levels) <= _MOST_LEVELS
    return bool(few and not wrong.any())
