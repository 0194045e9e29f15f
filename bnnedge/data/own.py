"""A data set of the user's own: a folder with arrays of images and labels.

`x_train.npy`, `x_test.npy` (uint8, (N, *shape)) and `y_train.npy`, `y_test.npy` (integers, (N,),
from 0 on); where there are data to select on, `x_validation.npy` and `y_validation.npy`; where the
classes have names, `classes.txt`, a line for each. An `.npz` of arrays of these names will do, too,
with classes that are numbered.

Installed packages name such folders in the entry point group `bnnedge.datasets`: a path, or a
function without arguments that gives one.
"""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import did_you_mean
from bnnedge.arrays import npy_header, open_npz, read_npy, read_npz
from bnnedge.errors import DataError
from bnnedge.files import is_file, read_text_bounded
from bnnedge.names import check_label, shown

ENTRY_POINTS = "bnnedge.datasets"
PARTS = ("train", "test", "validation")
CLASS_NAMES = "classes.txt"
_MOST_CLASSES = 1000
_MOST_NAMES_BYTES = 1 << 18
_MOST_VALUES = 1 << 24


def installed_folder(name: str) -> Path:
    """The folder that an installed package gives under a name.

    Raises:
        DataError: there is none of this name.
    """
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        given = entry.load()
        return Path(given() if callable(given) else given)
    known = sorted(importlib.metadata.entry_points(group=ENTRY_POINTS).names)
    raise DataError(
        f"no installed package has a data set {shown(name)}{did_you_mean(name, known)}",
        remedy=f"wanted one of {', '.join(known)}" if known else "install it, or give its folder",
    )


def own_shape(folder: Path) -> tuple[int, ...]:
    """Shape of one input, from the header of the training data.

    Raises:
        DataError: they are missing, or no images of whole bytes.
    """
    path = folder / "x_train.npy"
    if _is_archive(folder):
        with open_npz(folder) as arrays:
            if "x_train" not in arrays.headers:
                raise DataError(f"x_train is not in {folder}")
            header = arrays.headers["x_train"]
    elif is_file(folder):
        raise DataError(f"{folder}: wanted a folder of arrays, or a file that ends in .npz")
    else:
        header = npy_header(path)
    shape = header.shape[1:]
    size = int(np.prod(shape, dtype=np.int64))
    if header.dtype != np.uint8 or not shape or not 0 < size <= _MOST_VALUES:
        raise DataError(f"{path}: wanted uint8 (N, *shape), got {header}")
    return shape


def require_own(folder: Path) -> None:
    """Raise unless the files are there; only one header is read.

    Raises:
        DataError: names the first one that is missing.
    """
    own_shape(folder)
    for part in _parts(folder):
        for letter in "xy":
            if f"{letter}_{part}" not in _names(folder):
                raise DataError(f"{letter}_{part}.npy is not in {folder}")


def read_own(
    folder: Path,
) -> tuple[tuple[str, ...], Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]]:
    """Class names, and images and labels by part.

    Raises:
        DataError: a file is missing or damaged, or is not what it should be.
    """
    require_own(folder)
    shape = own_shape(folder)
    parts = {part: _part(folder, part, shape) for part in _parts(folder)}
    classes = 1 + max(int(labels.max()) for _, labels in parts.values())
    if classes > _MOST_CLASSES or len(np.unique(parts["train"][1])) != classes:
        raise DataError(
            f"{folder}: wanted labels from 0 on, without gaps in y_train.npy and at most"
            f" {_MOST_CLASSES} of them, got {classes - 1} as the largest"
        )
    return _class_names(folder, classes), parts


def check_labels(labels: NDArray[Any], wanted: str) -> None:
    """Raise DataError, which begins with what is wanted, unless integers are 0…2⁶³-1."""
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= 1 << 63:
        raise DataError(f"{wanted}, got {least} to {most}")


def _is_archive(folder: Path) -> bool:
    return folder.suffix == ".npz"


def _names(folder: Path) -> set[str]:
    """Of the arrays that are there."""
    if _is_archive(folder):
        with open_npz(folder) as arrays:
            return set(arrays.headers)
    every = (f"{letter}_{part}" for letter in "xy" for part in PARTS)
    return {name for name in every if is_file(folder / f"{name}.npy")}


def _parts(folder: Path) -> tuple[str, ...]:
    validation = any(f"{letter}_validation" in _names(folder) for letter in "xy")
    return PARTS if validation else PARTS[:2]


def _part(folder: Path, part: str, shape: tuple[int, ...]) -> tuple[Any, NDArray[np.int64]]:
    names = [f"{letter}_{part}" for letter in "xy"]
    if _is_archive(folder):
        images, labels = map(read_npz(folder, names).__getitem__, names)
    else:
        images, labels = (read_npy(folder / f"{name}.npy") for name in names)
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise DataError(
            f"{folder}: wanted x_{part}.npy of uint8 (N, {', '.join(map(str, shape))}),"
            f" got {images.dtype} {images.shape}"
        )
    wanted = f"{folder}: wanted y_{part}.npy of {len(images)} integers from 0 on"
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise DataError(f"{wanted}, got {labels.dtype} {labels.shape}")
    check_labels(labels, wanted)
    return images, labels.astype(np.int64)


def _class_names(folder: Path, classes: int) -> tuple[str, ...]:
    if not is_file(folder / CLASS_NAMES):
        return tuple(map(str, range(classes)))
    text = read_text_bounded(folder / CLASS_NAMES, _MOST_NAMES_BYTES, raises=DataError)
    names = tuple(text.splitlines())
    if len(names) != classes or len(set(names)) != classes:
        raise DataError(
            f"{folder / CLASS_NAMES}: wanted {classes} different names, got {len(names)}"
        )
    for name in names:
        check_label(name, what=f"{folder / CLASS_NAMES}: a class", raises=DataError)
    return names
