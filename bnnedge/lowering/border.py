"""Padding by an exact zero, for which there is no bit: pixels in classes of the same padding."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Window
from bnnedge.lowering.indexed import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Border:
    """Exact zeros around ±1: a padded tap is bit 0, which stands for −1, and must not count.

    accumulator = dot product with −1 + sum of the padded taps' weights, per border class.

    Attributes:
        classes: int32 (OH, OW).
        correction: int64 (classes, MH).
    """

    classes: NDArray[np.int32]
    correction: NDArray[np.int64]

    @classmethod
    def of(cls, window: Window, weights: Array, height: int, width: int) -> "Border | None":
        """Of ±1 weights (MH, MW) on maps of that size; None where no window is padded."""
        inside = window.inside(height, width)
        if inside.all():
            return None
        classes = _padding_classes(window, height, width)
        number = int(classes.max()) + 1
        first = [int(np.flatnonzero(classes.reshape(-1) == one)[0]) for one in range(number)]
        outside = ~inside.reshape(-1, window.taps)[first]
        per_tap = weights.reshape(len(weights), window.taps, -1).sum(axis=2)
        correction = outside.astype(np.int64) @ per_tap.T.astype(np.int64)
        return cls(classes=classes, correction=correction)


def _padding_classes(window: Window, height: int, width: int) -> NDArray[np.int32]:
    """The pixels of a padded window's output by which taps fall outside: classes (OH, OW)."""
    inside = window.inside(height, width)
    _, classes = np.unique(inside.reshape(-1, window.taps), axis=0, return_inverse=True)
    return classes.reshape(inside.shape[:2]).astype(np.int32)
