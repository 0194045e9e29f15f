"""SVHN, format 2 (cropped digits): MATLAB files with 32×32 colour images."""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.filekinds import MATLAB, refuse_other_file


def read_svhn(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images uint8 (N, 3, 32, 32) and labels (N,) of "train" or "test".

    Raises:
        DataError: the file is missing or damaged.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = folder / f"{part}_32x32.mat"
    if not path.is_file():
        raise DataError(
            f"svhn: {path.name} is not in {folder}",
            remedy="get the cropped digits (format 2) of SVHN, or set [data] folder",
        )
    try:
        content = loadmat(path, variable_names=["X", "y"])
        images, labels = content["X"], content["y"].reshape(-1)
    except (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError) as error:
        refuse_other_file(path, DataError, MATLAB)
        raise DataError(f"{path} is damaged: {error}") from error
    except (MatReadError, zlib.error) as error:
        refuse_other_file(path, DataError, MATLAB)
        raise DataError(f"{path} is damaged: {error}") from error
    wanted = (32, 32, 3, len(labels))
    if images.shape != wanted or images.dtype != np.uint8 or not len(labels):
        raise DataError(f"{path}: wanted uint8 X {wanted}, got {images.dtype} {images.shape}")
    if labels.min() < 1 or labels.max() > 10:
        raise DataError(f"{path}: wanted labels 1…10, got {labels.min()}…{labels.max()}")
    # The files call a zero 10.
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10
