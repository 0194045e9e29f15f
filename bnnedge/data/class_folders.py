"""Folders that hold a folder a class: what is in them, in an order that no file system decides."""

import os
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.own import PARTS
from bnnedge.data.splits import require_two, split_test
from bnnedge.errors import DataError
from bnnedge.names import check_label, shown

MOST_CLASSES = 1000
_MOST_FILES = 1_000_000
MOST_BYTES = 1 << 31
"""Of all inputs of a data set, which are in memory together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassFolders:
    """Files by class.

    Attributes:
        folder: where they are.
        classes: names, sorted.
        files: (path, label) of every file, by class and name; by part, "" where there are none.
    """

    folder: Path
    classes: tuple[str, ...]
    files: Mapping[str, tuple[tuple[Path, int], ...]]

    def labels(self, part: str) -> NDArray[np.int64]:
        """Of the files of a part (N,)."""
        return np.array([label for _, label in self.files[part]], np.int64)

    def divided(self, fraction: float, seed: int) -> "ClassFolders":
        """The same with "train" and "test", where there are no parts yet; see `split_test`.

        Raises:
            DataError: a class is too small.
        """
        where = printed(self.folder)
        if "" not in self.files:
            if "validation" not in self.files:
                require_two(self.labels("train"), self.classes, where=f"{where}: train")
            return self
        every = self.files[""]
        train, test = split_test(self.labels(""), self.classes, fraction, seed, where=where)
        files = {
            part: tuple(every[index] for index in indices)
            for part, indices in (("train", train), ("test", test))
        }
        return replace(self, files=files)


def find_class_folders(folder: Path, suffixes: Collection[str], *, bytes_each: int) -> ClassFolders:
    """The files in the folders of a folder; each folder is a class.

    With `train` and `test` (perhaps `validation`) and no other folders, these hold the classes.
    Links are followed. Hidden files are left out, and so are those beside the folders.

    Args:
        folder: where the folders are.
        suffixes: that the files have, in lower case.
        bytes_each: that one of them takes as an input.

    Raises:
        DataError: there is no such folder, or fewer than two classes, or a class is empty or holds
            something else, or there is more than fits.
    """
    parts = _folders(folder)
    if {"train", "test"} <= parts.keys() <= set(PARTS):
        by_part = {part: _folders(parts[part]) for part in PARTS if part in parts}
    else:
        by_part = {"": parts}
    first, *others = by_part
    classes = tuple(by_part[first])
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f"{printed(folder)}: wanted 2…{MOST_CLASSES} classes, a folder each, got {len(classes)}"
        )
    for part in others:
        for name in sorted(by_part[part].keys() ^ set(classes))[:1]:
            raise DataError(
                f"{printed(folder)}: wanted the same classes in {first} and {part}, got"
                f" {shown(name)} in one"
            )
    found = {
        part: tuple(
            (path, label)
            for label, name in enumerate(classes)
            for path in _files(folders[name], suffixes)
        )
        for part, folders in by_part.items()
    }
    count = sum(map(len, found.values()))
    if count > _MOST_FILES or count * bytes_each > MOST_BYTES:
        raise DataError(
            f"{printed(folder)}: wanted at most {_MOST_FILES:,} files and {MOST_BYTES >> 20:,} MiB"
            f" of inputs, got {count:,} and {count * bytes_each >> 20:,} MiB",
            remedy="take smaller inputs or fewer files",
        )
    return ClassFolders(folder=folder, classes=classes, files=found)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            every = [entry for entry in entries if not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read the folder {printed(folder)}: {why}") from error
    return sorted(every, key=lambda entry: entry.name)


def _folders(folder: Path) -> dict[str, Path]:
    """The folders in a folder by their names, sorted by these."""
    found: dict[str, Path] = {}
    for entry in _entries(folder):
        if not _is_folder(entry):
            continue
        name = unicodedata.normalize("NFC", entry.name)  # macOS takes them apart
        check_label(name, what=f"{printed(folder)}: a class", raises=DataError)
        if name in found:
            raise DataError(f"{printed(folder)}: two folders are called {shown(name)}")
        found[name] = Path(entry.path)
    return dict(sorted(found.items()))


def _files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    paths = []
    for entry in _entries(folder):
        if _is_folder(entry) or Path(entry.name).suffix.lower() not in suffixes:
            raise DataError(
                f"{printed(folder)}: wanted files of {', '.join(suffixes)} alone, got"
                f" {'the folder ' if _is_folder(entry) else ''}{shown(entry.name)}",
                remedy="move it elsewhere; what stands beside the classes' folders is left out",
            )
        paths.append(Path(entry.path))
    if not paths:
        raise DataError(f"{printed(folder)}: wanted files of {', '.join(suffixes)}, it is empty")
    return paths


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def printed(path: Path) -> str:
    """A path from outside, as it stands in a message: plain ones as they are, others quoted."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
