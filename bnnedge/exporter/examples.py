"""What a caller gives beside a module: examples, labels, and inputs made of the examples."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bnnedge.data.pairs import array_of
from bnnedge.errors import DataError
from bnnedge.exporter.check import Floats
from bnnedge.exporter.facts import UNKNOWN

_MIXED_ROWS = 32
_MOST_CLASSES = 1 << 31
_SEED = 20


def _dense(value: Any) -> Any:
    """Of a tensor, one of a kind that NumPy has, too."""
    if not isinstance(value, Tensor):
        return value
    dense = value.detach().cpu().to_dense()
    return dense.float() if dense.dtype == torch.bfloat16 else dense


def examples_in(value: Any) -> Floats:
    """Example inputs (N, *input shape) as float32.

    Raises:
        DataError: no batch of finite numbers.
    """
    array = array_of("example_inputs", _dense(value))
    if array.ndim < 2 or not array.size:
        raise DataError(
            f"example_inputs: wanted (N, *input shape), got {array.shape}",
            remedy="the first dimension counts the examples: x[None] is a batch of one",
        )
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if not np.isfinite(floats).all():
        raise DataError("example_inputs: wanted finite numbers, got NaN or infinity")
    return floats


def labels_in(value: Any, rows: int) -> NDArray[np.int64]:
    """Classes (N,) of the examples; where none are given, `UNKNOWN` each.

    Raises:
        DataError: other than one integer from 0 for each.
    """
    if value is None:
        return np.full(rows, UNKNOWN, np.int64)
    array = array_of("labels", _dense(value))
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise DataError(
            f"labels: wanted {rows} classes, integers from 0, got {array.dtype} {array.shape}"
        )
    if array.min() < 0 or array.max() >= _MOST_CLASSES:
        raise DataError(f"labels: wanted integers from 0, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def mixtures(inputs: Floats) -> Floats:
    """Rows of which every element is one of the examples' there, and the ends of each element."""
    rng = np.random.default_rng(_SEED)
    rows = rng.integers(len(inputs), size=(_MIXED_ROWS, *inputs.shape[1:]))
    mixed = np.take_along_axis(inputs, rows, axis=0)
    return np.concatenate([mixed, inputs.min(0, keepdims=True), inputs.max(0, keepdims=True)])
