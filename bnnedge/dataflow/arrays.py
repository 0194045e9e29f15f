"""Read-only arrays, so that a frozen graph is frozen."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen(values: NDArray[Any], dtype: type[Scalar]) -> NDArray[Scalar]:
    """A read-only, contiguous copy of `values` as `dtype`."""
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy
