"""Examples as callers have them: an array, with labels or not, or a data set as torch has them."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError


def examples_of(inputs: Any, labels: Any = None) -> tuple[Any, Any]:
    """Inputs and labels, these None where nothing says them; neither is checked.

    Args:
        inputs: an array; a pair of it and labels; or a data set: what has a length and gives, by
            index, pairs (input, label), tuples of an input alone, or inputs.
        labels: what they are, where `inputs` does not say it.

    Raises:
        DataError: a data set gives something else, or says the labels, and others are given, too.
    """
    if isinstance(inputs, tuple) and len(inputs) == 2 and [*map(_dimensions, inputs)][1:] == [1]:
        found: tuple[Any, Any] = inputs if (_dimensions(inputs[0]) or 0) > 1 else (inputs, None)
    elif _is_data_set(inputs):
        found = _rows(inputs)
    else:
        found = (inputs, None)
    if labels is None:
        return found
    if found[1] is not None:
        raise DataError("labels: the examples have some already", remedy="give one of the two")
    return found[0], labels


def array_of(what: str, given: Any) -> NDArray[Any]:
    """An array of numbers.

    Raises:
        DataError: it cannot become one.
    """
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{what}: wanted an array, got {type(given).__name__} ({str(error)[:80]!a})"
        ) from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what}: wanted numbers, got {array.dtype} {array.shape}")
    return array


def _dimensions(value: Any) -> int | None:
    """Of an array of another library, too; None: it is none."""
    return getattr(value, "ndim", None)


def _is_data_set(value: Any) -> bool:
    if hasattr(value, "__array__") or isinstance(value, str | bytes | dict):
        return False
    if isinstance(value, list | tuple):
        return bool(value) and isinstance(value[0], tuple)
    return hasattr(value, "__getitem__") or hasattr(value, "__iter__")


def _rows(dataset: Any) -> tuple[Any, Any]:
    name = type(dataset).__name__
    if hasattr(dataset, "dataset") and not hasattr(dataset, "__getitem__"):
        raise DataError(f"a {name} gives batches, in any order", remedy="give its .dataset")
    try:
        rows = [dataset[index] for index in range(len(dataset))]
        split = [row if isinstance(row, list | tuple) else (row,) for row in rows]
        inputs = np.stack([np.asarray(row[0]) for row in split])
        if {len(row) for row in split} == {1}:
            return inputs, None
        return inputs, np.array([operator.index(label) for _, label in split])
    except Exception as error:  # whatever a data set of others raises
        raise DataError(
            f"wanted a data set of pairs (input, label), each an array and an integer, got {name}"
            f" ({str(error)[:80]!a})"
        ) from error
