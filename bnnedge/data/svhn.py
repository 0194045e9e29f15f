"""SVHN, format 2 (cropped digits): MATLAB files with 32×32 colour images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.mat import read_mat
from bnnedge.errors import DataError
from bnnedge.files import is_file

_MOST_BYTES = 2**28  # the training images take 225 MB


def find_part(folder: Path, part: str) -> Path:
    """The file of "train" or "test". Raises DataError if it is missing."""
    path = folder / f"{part}_32x32.mat"
    if not is_file(path):
        raise DataError(
            f"svhn: {path.name} is not in {folder}",
            remedy="get the cropped digits (format 2) of SVHN, or set [data] folder",
        )
    return path


def read_svhn(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images uint8 (N, 3, 32, 32) and labels (N,) of "train" or "test".

    Raises:
        DataError: the file is missing or damaged.
    """
    path = find_part(folder, part)
    content = read_mat(path, ("X", "y"), most_bytes=_MOST_BYTES)
    images, labels = content["X"], content["y"].reshape(-1)
    wanted = (32, 32, 3, len(labels))
    if images.shape != wanted or images.dtype != np.uint8 or not len(labels):
        raise DataError(f"{path}: wanted uint8 X {wanted}, got {images.dtype} {images.shape}")
    if not np.isin(labels, np.arange(1, 11)).all():
        raise DataError(f"{path}: wanted labels 1…10, got {labels.min()}…{labels.max()}")
    # The files call a zero 10.
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10
