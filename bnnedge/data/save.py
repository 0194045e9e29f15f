"""Arrays, and torch's data sets, as the folder that `dataset = "own"` of a recipe takes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked, path_of
from bnnedge.data.own import CLASS_NAMES, PARTS, check_labels
from bnnedge.data.pairs import array_of, examples_of
from bnnedge.data.splits import split_test
from bnnedge.errors import DataError
from bnnedge.names import check_label

_MOST_BYTES = 1 << 31


@checked
def save_arrays(
    folder: Path | str,
    inputs: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] = (),
    test_fraction: float = 0.2,
    seed: int = 0,
) -> None:
    """Divide examples, every class alike, into training and test data, and save them.

    Args:
        folder: to make; it must not be there.
        inputs: (N, *shape) whole numbers of 0…255, or floats of 0…1, which become these; a pair of
            them and labels; or a torch `Dataset` of pairs (input, label).
        labels: (N,) integers from 0 on; None: `inputs` has them.
        classes: names, by label; none: they are numbered.
        test_fraction: share of every class that is kept for the test.
        seed: picks them.

    Raises:
        ConfigError: an argument is of another type.
        DataError: the arrays are no such examples, a class is too small, or the folder is there.
    """
    folder = path_of("save_arrays: folder", folder)
    if os.path.lexists(folder):
        raise DataError(f"{folder}: is there already", remedy="name another folder")
    if not 0 < test_fraction < 1:
        raise DataError(f"test_fraction: wanted a share between 0 and 1, got {test_fraction}")
    if seed < 0:
        raise DataError(f"seed: wanted an integer from 0 on, got {seed}")
    given, known = examples_of(inputs, labels)
    if known is None:
        raise DataError(
            "inputs: wanted arrays with labels, or a data set of pairs (input, label), got"
            f" {type(inputs).__name__}"
        )
    images, numbers = _bytes(_array("inputs", given)), _array("labels", known)
    wanted = f"labels: wanted {len(images)} integers from 0 on"
    if numbers.shape != images.shape[:1] or numbers.dtype.kind not in "iu":
        raise DataError(f"{wanted}, got {numbers.dtype} {numbers.shape}")
    check_labels(numbers, wanted)
    numbers = numbers.astype(np.int64)
    names = list(classes) or [str(label) for label in range(int(min(numbers.max(), 10**4)) + 1)]
    for name in names:
        if not isinstance(name, str):
            raise DataError(f"classes: wanted names, got {name!r}")
        check_label(name, what="classes: a name", raises=DataError)
    if len(set(names)) != len(names) or not np.array_equal(np.unique(numbers), range(len(names))):
        raise DataError(
            f"labels: wanted all of 0…{len(names) - 1}, each with a name of its own, got"
            f" {len(np.unique(numbers))} different ones"
        )
    rows = split_test(numbers, names, test_fraction, seed, where="labels")
    folder.mkdir(parents=True)
    for part, index in zip(PARTS, rows, strict=False):
        np.save(folder / f"x_{part}.npy", images[index])
        np.save(folder / f"y_{part}.npy", numbers[index])
    if classes:
        (folder / CLASS_NAMES).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _array(what: str, given: Any) -> NDArray[Any]:
    array = array_of(what, given)
    if not array.size or array.nbytes > 8 * _MOST_BYTES:
        raise DataError(f"{what}: wanted numbers, got {array.dtype} {array.shape}")
    return array


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim < 2:
        raise DataError(f"inputs: wanted (N, *shape), got {array.shape}")
    floats = array.dtype.kind == "f"
    most = 1 if floats else 255
    if not (array.min() >= 0 and array.max() <= most):  # NaN is neither
        raise DataError(
            f"inputs: wanted {'floats of 0…1' if floats else 'integers of 0…255'}, got"
            f" {array.min():g}…{array.max():g}",
            remedy='scale them, or write a table for dataset = "csv", which ranks each column',
        )
    bytes_: NDArray[np.uint8] = np.round(array * 255 if floats else array).astype(np.uint8)
    return bytes_
