"""float32 numbers as integers in the same order, so that they can be bisected."""

import numpy as np
from numpy.typing import NDArray

MAX = float(np.finfo(np.float32).max)


def to_key(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """float32 → integers in the same order, neighbours one apart; −0 and 0 are both 0."""
    raw = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
    return np.where(raw < 0, -(raw & 0x7FFFFFFF), raw)


MAX_KEY = int(to_key(np.array([MAX], np.float32))[0])


def of_key(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """The inverse of `to_key`."""
    raw = np.where(keys < 0, -keys | 0x80000000, keys).astype(np.uint32)
    floats: NDArray[np.float32] = raw.view(np.float32)
    return floats
