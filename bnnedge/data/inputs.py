"""Files as inputs of a network that is there, read as those were that it was trained on."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.arrays import read_npy
from bnnedge.data.class_folders import MOST_BYTES, printed
from bnnedge.data.features import encode
from bnnedge.data.file_kinds import FileKind, kind_of
from bnnedge.data.tables import read_table
from bnnedge.dataflow.meaning import Meaning
from bnnedge.errors import DataError, named
from bnnedge.names import shown
from bnnedge.reading import PicturesReading, RecordingsReading, TableReading


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """Inputs of a network.

    Attributes:
        names: of each: its file from the folder on, or its number.
        values: (N, *input shape).
        classes: the name of each's class, as its folder or its column says; None: nothing says it.
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    classes: tuple[str, ...] | None = None

    def labels(self, meaning: Meaning, where: Path) -> NDArray[np.int64]:
        """Classes (N,) by their names.

        Raises:
            DataError: they are not known, or one is none of the network's.
        """
        if self.classes is None:
            raise DataError(f"{printed(where)}: holds no labels", remedy=f"give {named('labels')}")
        known = {name: label for label, name in enumerate(meaning.class_names)}
        for name, given in zip(self.names, self.classes, strict=True):
            if given not in known:
                raise DataError(
                    f"{printed(where)}: {shown(name)}: wanted one of the network's classes"
                    f" ({', '.join(map(shown, list(known)[:8]))}), got {shown(given)}"
                )
        return np.array([known[given] for given in self.classes], np.int64)


def read_inputs(path: Path, meaning: Meaning) -> Inputs:
    """Inputs in an `.npy` file, or in files of the kind that the network was trained on.

    Args:
        path: `.npy` of (N, *input shape), whole numbers of 0…255 if the network was trained on
            files; else a file, or a folder with files, in folders or not.
        meaning: of the network's inputs.

    Raises:
        DataError: a file cannot be read, or it is not known how.
    """
    if path.suffix == ".npy":
        values = read_npy(path)
        meaning.check(values, printed(path))
        return Inputs(names=tuple(map(str, range(len(values)))), values=values)
    if meaning.reading is None:
        raise DataError(
            f"{printed(path)}: the network does not say how files become its inputs",
            remedy="give an .npy of (N, *input shape)",
        )
    match meaning.reading:
        case PicturesReading() | RecordingsReading():
            return _inputs(path, kind_of(meaning.reading))
        case TableReading():
            return _rows(path, meaning.reading)
        case _:
            assert_never(meaning.reading)


def _rows(path: Path, reading: TableReading) -> Inputs:
    table = read_table(path, reading.header, reading.delimiter)
    columns = [(table.column(each.name, "a column"), each.word) for each in reading.features]
    known = reading.label in table.names
    return Inputs(
        names=tuple(f"row {number}" for number in table.numbers),
        values=encode(reading.features, table.values(columns)),
        classes=tuple(table.words(table.names.index(reading.label))) if known else None,
    )


def _inputs(path: Path, kind: FileKind) -> Inputs:
    files = list(_files(path, kind.suffixes)) if path.is_dir() else [path]
    if not files or len(files) * kind.bytes_each > MOST_BYTES:
        raise DataError(
            f"{printed(path)}: wanted 1 or more files ({', '.join(kind.suffixes)}), and at most"
            f" {MOST_BYTES >> 20:,} MiB of inputs, got {len(files):,} files"
        )
    root = path if path.is_dir() else path.parent
    return Inputs(
        names=tuple(file.relative_to(root).as_posix() for file in files),
        values=np.stack([kind.read(file) for file in files]),
        classes=tuple(file.parent.name for file in files),
    )


def _files(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files in a folder and in those inside of it, in order of their names."""
    for where, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(where, name)
