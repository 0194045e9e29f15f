"""Data of the user's own as `[data]` of a recipe describes them: checked first, then read."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.class_folders import ClassFolders, find_class_folders, printed
from bnnedge.data.config import DataConfig, DatasetName
from bnnedge.data.features import encode, fit_features
from bnnedge.data.file_kinds import FileKind, kind_of
from bnnedge.data.splits import split_test, stratified
from bnnedge.data.tables import Examples, read_examples
from bnnedge.reading import Reading, TableReading

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
    reading: Reading


def read_users(config: DataConfig) -> UsersData:
    """What `[data]` describes.

    Raises:
        DataError: a file is missing, damaged, or not what it should be.
    """
    match config.dataset:
        case DatasetName.IMAGES | DatasetName.WAV:
            return _files(config)
        case DatasetName.CSV:
            return _table(config)
        case _:
            raise AssertionError(config.dataset)


def require_users(config: DataConfig) -> None:
    """Raise unless the files are there, and enough of every class; pictures are not read.

    Raises:
        DataError: see `read_users`.
    """
    match config.dataset:
        case DatasetName.IMAGES | DatasetName.WAV:
            _find_files(config)
        case DatasetName.CSV:
            _examples(config)
        case _:
            raise AssertionError(config.dataset)


def _examples(config: DataConfig) -> tuple[Examples, dict[str, NDArray[np.int64]]]:
    """A table, and which rows are for what."""
    assert config.file is not None and config.csv is not None
    found = read_examples(config.file, config.csv)
    train, test = split_test(
        found.labels, found.classes, config.test_share, config.seed, where=printed(config.file)
    )
    return found, {"train": train, "test": test}


def _table(config: DataConfig) -> UsersData:
    found, rows = _examples(config)
    assert config.csv is not None
    train = rows["train"]
    # Those to select on are not looked at, see `bnnedge.data.datasets.split_validation`.
    fitted, _ = stratified(found.labels[train], config.validation_fraction, config.seed)
    features = fit_features(found.columns, found.values[train[fitted]])
    inputs = encode(features, found.values)
    return UsersData(
        classes=found.classes,
        parts={part: (inputs[index], found.labels[index]) for part, index in rows.items()},
        reading=TableReading(
            features=features,
            label=found.label,
            header=config.csv.header,
            delimiter=config.csv.delimiter,
        ),
    )


def _kind(config: DataConfig) -> FileKind:
    return kind_of(config.pictures if config.dataset is DatasetName.IMAGES else config.recordings)


def _find_files(config: DataConfig) -> ClassFolders:
    """Files in folders, one a class, by part; none is read."""
    assert config.folder is not None
    kind = _kind(config)
    found = find_class_folders(config.folder, kind.suffixes, bytes_each=kind.bytes_each)
    return found.divided(config.test_share, config.seed)


def _files(config: DataConfig) -> UsersData:
    found, kind = _find_files(config), _kind(config)
    parts = {
        part: (np.stack([kind.read(path) for path, _ in files]), found.labels(part))
        for part, files in found.files.items()
    }
    return UsersData(classes=found.classes, parts=parts, reading=kind.reading)
