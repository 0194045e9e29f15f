"""Weights as small integers times a scale of each output channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.integer_mvu import MOST_MAGNITUDE

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Weights w = scale · integers, to the last bit.

    Attributes:
        integers: float32, of the weights' shape, up to ±`MOST_MAGNITUDE`.
        scale: float32 (MH,); 0 of a channel whose weights are all 0 while others' are ±s, for which
            there are integers ±1, 1 of one among others.
    """

    integers: Floats
    scale: Floats


def grid_of(kernel: Floats) -> Grid | None:
    """The coarsest grid of each row of weights (MH, …); None where one has none, or all are 0."""
    rows = kernel.reshape(len(kernel), -1)
    magnitudes = np.abs(rows)
    if not magnitudes.any():
        return None
    signs = np.where(kernel < 0, np.float32(-1), np.float32(1))
    if (magnitudes == magnitudes[:, :1]).all():
        return Grid(integers=signs, scale=magnitudes[:, 0].astype(np.float32))
    scale = np.ones(len(rows), np.float32)
    integers = np.empty_like(magnitudes)
    for row, own in enumerate(magnitudes):
        found = _steps(own)
        if found is None:
            return None
        scale[row], integers[row] = found
    return Grid(integers=(integers.reshape(kernel.shape) * signs).astype(np.float32), scale=scale)


def _steps(magnitudes: Floats) -> tuple[np.float32, Floats] | None:
    """The scale of a row's magnitudes, and how many of it each one is."""
    values, places = np.unique(magnitudes, return_inverse=True)
    if len(values) > MOST_MAGNITUDE + 1:
        return None
    some = values[values > 0]
    if not len(some):
        return np.float32(1), magnitudes
    for number in range(1, MOST_MAGNITUDE + 1):
        near = np.float32(some[0] / np.float32(number))
        for scale in (near, np.nextafter(near, np.float32(0)), np.nextafter(near, some[-1])):
            with np.errstate(all="ignore"):  # no quotient that float32 lacks is up to the most
                counts = np.rint(values / scale)
            if counts.max() <= MOST_MAGNITUDE and (counts * scale == values).all():
                return scale, counts[places].astype(np.float32)
    return None
