"""Batches and results as .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError


def read_batch(path: Path) -> np.ndarray[Any, Any]:
    """A batch (N, *input_shape). Raises InputError: the file is missing, truncated or no .npy."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def write_results(path: Path, results: np.ndarray[Any, Any]) -> None:
    """Write `path` itself, whatever its suffix. Raises InputError: it cannot be written."""
    try:
        with path.open("wb") as file:
            np.save(file, results)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
