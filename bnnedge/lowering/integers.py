"""Integers of k bits by enumeration: what a region makes is an integer times a power of two.

As with thresholds, the original float nodes are run on every integer that can occur. A result
is then `code · grid`, exactly, and sums of them do not round; it steps up or down as the integer
rises, and each step is found.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.multi_threshold import MOST_THRESHOLDS
from bnnedge.errors import LoweringError
from bnnedge.lowering.thresholds import Chunk, Reach

_MOST_LEVELS = 1 << 12
_LARGEST_CODE = 1 << 15
_MANTISSA_BITS = 24
_TRIED = 16
_NEAR = 2.0**-20


class Scale(enum.Enum):
    """What integers may be multiplied with.

    EXACT: a power of two, so that their sums do not round.
    FLOAT: any number of which each value is the rounded multiple.
    NEAR: the same up to a few roundings, where a layer sums the values up and rounds itself.
    """

    EXACT = enum.auto()
    FLOAT = enum.auto()
    NEAR = enum.auto()


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """What a region makes of every integer that it can begin with.

    Attributes:
        codes: int64 (rows, C).
        grid: the value of code 1.
    """

    codes: NDArray[np.int64]
    grid: float

    @classmethod
    def of(cls, values: NDArray[np.float32], where: str, scale: Scale) -> "Codes":
        """`values` (rows, C) as multiples of one number, the largest that divides them all.

        Raises:
            LoweringError: `scale` does not allow that number; the multiples are too large, or too
                many.
        """
        if not np.isfinite(values).all():
            raise LoweringError(
                f"{where}: gives NaN or infinity for sums that the layer can give",
                remedy="look for a division by 0, or a scale of 0, in front of it",
            )
        levels = np.unique(values).astype(np.float64)
        lowest = _lowest_bit(levels)
        grid: float | None = lowest
        if len(levels) > _MOST_LEVELS or np.abs(levels).max() >= _LARGEST_CODE * lowest:
            grid = None if scale is Scale.EXACT else _any_scale(levels, scale)
        if grid is not None:
            return cls(codes=np.rint(values / np.float64(grid)).astype(np.int64), grid=grid)
        shown = ", ".join(f"{level:.6g}" for level in levels[:3])
        raise LoweringError(
            f"{where}: takes {len(levels)} values ({shown}, …), which are no small integers times"
            " a power of two",
            remedy="quantise what branches, and layers on more than one bit, carry to a few bits"
            " with a scale that is a power of two (residual_bits of BinaryResNet, or Brevitas'"
            " QuantIdentity with RestrictValueType.POWER_OF_TWO); sum up (SumPool2d,"
            " GlobalSumPool) where an average divides by no power of two",
        )

    def value_of_one(self, reach: Reach) -> float | None:
        """The grid on which the codes are the integers of `reach` themselves, if there is one."""
        rows = reach.values
        row = int(np.abs(rows).argmax())
        if (self.codes == rows[:, None]).all():
            return self.grid
        grid = self.grid * float(self.codes[row, 0]) / float(rows[row] or 1)
        if grid <= 0 or np.frexp(grid)[0] != 0.5:
            return None
        same = (self.codes * self.grid == rows[:, None] * grid).all()
        return grid if same else None

    def steps(self, reach: Reach, where: str) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
        """Thresholds (C, L), invert (C,) and the least code, as a Dataflow's MultiThreshold.

        Raises:
            LoweringError: names the channel that rises and falls; or there are too many steps.
        """
        low, high = int(self.codes.min()), int(self.codes.max())
        changes = np.diff(self.codes, axis=0)
        invert: NDArray[np.bool_] = np.asarray((changes <= 0).all(axis=0) & changes.any(axis=0))
        uneven = np.flatnonzero(~invert & (changes < 0).any(axis=0))
        if uneven.size:
            raise LoweringError(
                f"{where}: channel {uneven[0]} rises and falls", remedy="thresholds cannot do that"
            )
        if high - low > MOST_THRESHOLDS:
            raise LoweringError(
                f"{where}: takes {high - low + 1} steps, wanted at most {MOST_THRESHOLDS + 1}",
                remedy="quantise to 8 bits or less",
            )
        reached = np.where(invert, high - self.codes, self.codes - low)  # how many thresholds
        numbers = range(1, max(high - low, 1) + 1)
        rows = np.stack([(reached < number).sum(axis=0) for number in numbers], axis=1)
        return reach.low + reach.step * rows, invert, low


def _any_scale(levels: NDArray[np.float64], scale: Scale) -> float | None:
    """A float32 number of which all levels are multiples, as far as `scale` wants; or None.

    Where only some of a quantiser's values can occur it may be a part of the smallest gap.
    """
    gap = np.diff(levels).min(initial=np.inf)
    parts = range(1, MOST_THRESHOLDS + 1)
    spans = (part for part in parts if part == 1 or np.ptp(levels) / gap * part < parts.stop)
    return next(filter(None, (_scale_of(levels, gap / part, scale) for part in spans)), None)


def _scale_of(levels: NDArray[np.float64], step: float, scale: Scale) -> float | None:
    """`_any_scale` of about `step`."""
    codes = np.rint(levels / step)
    largest = int(np.abs(codes).argmax())
    if not codes[largest] or np.abs(codes).max() >= _LARGEST_CODE:
        return None
    for place in (largest, *np.flatnonzero(codes)[:_TRIED]):
        grid = np.float32(levels[place] / codes[place])
        if np.array_equal((codes * np.float64(grid)).astype(np.float32), levels):
            return float(grid)
    grid = np.float32(levels[largest] / codes[largest])
    near = np.abs(codes * np.float64(grid) - levels) <= _NEAR * np.abs(levels)
    return float(grid) if scale is Scale.NEAR and near.all() else None


def _lowest_bit(levels: NDArray[np.float64]) -> float:
    """The largest power of two that float32 numbers are multiples of; 1 for zeros alone."""
    mantissas, exponents = np.frexp(levels[levels != 0])
    whole = (np.abs(mantissas) * (1 << _MANTISSA_BITS)).astype(np.int64)
    lowest = (whole & -whole) * 2.0 ** (exponents - _MANTISSA_BITS)
    return float(lowest.min(initial=np.inf)) if lowest.size else 1.0


def run_all(chunks: Iterable[Chunk], result: str) -> NDArray[np.float32]:
    """`result` (rows, C) of all chunks of a region."""
    values: NDArray[np.float32] = np.concatenate([chunk.flat(result) for chunk in chunks])
    return values
