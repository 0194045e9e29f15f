"""Read-only arrays, so that a frozen graph is frozen; and arrays of what callers give."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen(values: NDArray[Any], dtype: type[Scalar]) -> NDArray[Scalar]:
    """A read-only, contiguous copy of `values` as `dtype`."""
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def as_array(x: Any) -> NDArray[Any]:
    """Inputs as an array: an array, a list, or a tensor of another library.

    Raises:
        DataError: it cannot become one, as a ragged list, or a tensor that needs gradients.
    """
    try:
        return np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"input: not an array of numbers ({str(error).splitlines()[0]})",
            remedy="give a NumPy array; of a tensor that needs gradients, x.detach().cpu().numpy()",
        ) from error
