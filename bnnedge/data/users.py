"""Data of the user's own as `[data]` of a recipe describes them: checked first, then read."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.class_folders import ClassFolders, find_class_folders
from bnnedge.data.config import DataConfig
from bnnedge.data.pictures import SUFFIXES, read_picture
from bnnedge.reading import PicturesReading

Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class UsersData:
    """What was read.

    Attributes:
        classes: names, by label.
        parts: images and labels of "train" and "test", perhaps "validation".
        reading: how other files are read alike.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    reading: PicturesReading


def find_pictures(config: DataConfig) -> ClassFolders:
    """The files of pictures in folders, by part; none is read.

    Raises:
        DataError: they are missing, or not what they should be; or a class is too small.
    """
    assert config.folder is not None
    found = find_class_folders(
        config.folder, SUFFIXES, bytes_each=int(np.prod(config.pictures.shape))
    )
    return found.divided(config.test_share, config.seed)


def read_pictures(config: DataConfig) -> UsersData:
    """Pictures in folders, one a class.

    Raises:
        DataError: see `find_pictures`; or a file is no picture.
    """
    found = find_pictures(config)
    reading = config.pictures
    parts = {
        part: (np.stack([read_picture(path, reading) for path, _ in files]), found.labels(part))
        for part, files in found.files.items()
    }
    return UsersData(classes=found.classes, parts=parts, reading=reading)
