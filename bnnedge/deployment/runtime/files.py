"""Files: of a package, and batches and results as `.npy`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import read_array
from .errors import InputError


def is_inside(name: str) -> bool:
    """Whether `name` is a relative path, of parts between slashes, that stays below its folder."""
    parts = name.split("/")
    odd = not name.isprintable() or "\\" in name or ":" in name
    return not odd and not any(part in ("", ".", "..") for part in parts)


def read_inside(folder: Path, name: str, most_bytes: int) -> bytes:
    """The file called `name` in a folder, whole.

    Args:
        folder: where it is, links included.
        name: its path from there, see `is_inside`.
        most_bytes: that it may have.

    Raises:
        ValueError: it is no file, too large, or a link that leads out of the folder.
        OSError: it cannot be read.
    """
    path, root = os.path.realpath(folder / name), os.path.realpath(folder)
    if os.path.commonpath([path, root]) != root:
        raise ValueError("it is a link that leads out of the package")
    return _read_file(path, most_bytes)


def _read_file(path: str, most_bytes: int) -> bytes:
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        if status.st_size > most_bytes:
            raise ValueError(f"its {status.st_size} bytes are more than {most_bytes}")
        return file.read(status.st_size)


def _open(path: str, flags: int) -> int:
    # Without O_NONBLOCK a pipe would be waited for.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_batch(path: Path) -> np.ndarray[Any, Any]:
    """A batch (N, *input_shape), real numbers.

    Raises:
        InputError: the file is missing, truncated, or no .npy of real numbers.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no file")
        with path.open("rb") as file:
            return read_array(file, status.st_size)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"cannot read {path}: {error}") from error


def require_writable(path: Path) -> None:
    """Raises InputError where `write_results` would fail, as far as that can be told before."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        reason = "it is a folder" if path.is_dir() else f"{path.parent} cannot be written to"
        raise InputError(f"cannot write {path}: {reason}")


def write_results(path: Path, results: np.ndarray[Any, Any]) -> None:
    """Write `path` itself, whatever its suffix. Raises InputError: it cannot be written."""
    try:
        with path.open("wb") as file:
            np.save(file, results)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
