"""CIFAR-10 as its authors publish it: the binary version, or the one pickled for Python.

Pickles can run code; what is read here may hold numbers and text only.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.pickles import PickledArray, read_numbers
from bnnedge.errors import DataError
from bnnedge.filekinds import PICKLE, refuse_other_file
from bnnedge.files import is_file, read_bytes_bounded

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SHAPE = (3, 32, 32)
_BYTES = 3 * 32 * 32
_MOST_BYTES = 2**25  # of a batch: 31.0 MB
_UINT8 = ("u1", b"u1", "uint8", b"uint8")
_BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}


def read_cifar10(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images uint8 (N, 3, 32, 32) and labels (N,) of "train" or "test".

    Args:
        folder: the unpacked archive (`cifar-10-batches-bin` or `-py`), or the one it lies in.
        part: which.

    Raises:
        DataError: a file is missing or damaged, or holds more than numbers and text.
    """
    batches = [_read(_find(folder, name)) for name in _BATCHES[part]]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return images, labels


def require_batches(folder: Path) -> None:
    """Raise DataError if a file is missing."""
    for names in _BATCHES.values():
        for name in names:
            _find(folder, name)


def _find(folder: Path, name: str) -> Path:
    for place in (folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"):
        for path in (place / f"{name}.bin", place / name):
            if is_file(path):
                return path
    raise DataError(
        f"cifar-10: {name}.bin is not in {folder}",
        remedy="unpack cifar-10-binary.tar.gz there, or set [data] folder",
    )


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = read_bytes_bounded(path, _MOST_BYTES, raises=DataError)
    pixels, labels = _unpickled(path, content) if path.suffix == "" else _records(path, content)
    if labels.size and (labels.min() < 0 or labels.max() >= len(CLASSES)):
        raise DataError(f"{path}: wanted labels 0…9, got {labels.min()}…{labels.max()}")
    return pixels.reshape(-1, *_SHAPE), labels.astype(np.int64)


def _records(path: Path, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One byte of label and 3072 of pixels for every image."""
    if not content or len(content) % (_BYTES + 1):
        refuse_other_file(path, DataError, "a batch of CIFAR-10")
        raise DataError(
            f"{path} is truncated or damaged: wanted a multiple of {_BYTES + 1} bytes, "
            f"got {len(content)}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _BYTES + 1)
    return records[:, 1:], records[:, 0]


def _unpickled(path: Path, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        record = read_numbers(content)
        pixels, labels = record[b"data"], record[b"labels"]
    except Exception as error:  # whatever a damaged pickle provokes
        refuse_other_file(path, DataError, "a batch of CIFAR-10", PICKLE)
        raise DataError(f"{path} is damaged or no batch of CIFAR-10: {error}") from error
    fits = isinstance(pixels, PickledArray) and isinstance(labels, list)
    if not fits or pixels.shape != (len(labels), _BYTES) or pixels.dtype not in _UINT8:
        raise DataError(f"{path}: wanted uint8 data (N, {_BYTES}) and N labels")
    if type(pixels.data) is not bytes or len(pixels.data) != len(labels) * _BYTES:
        raise DataError(f"{path} is truncated or damaged: its data are not as many as its labels")
    if not all(type(label) is int and abs(label) < 2**31 for label in labels):
        raise DataError(f"{path}: wanted labels 0…9, got something else")
    order: Literal["F", "C"] = "F" if pixels.fortran else "C"
    flat = np.frombuffer(pixels.data, np.uint8)
    return flat.reshape(pixels.shape, order=order), np.array(labels, np.int64)
