"""The packaged examples: inputs, and the results that the network gives for them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from .arrays import read_array
from .errors import PackageError
from .manifest import Manifest

INPUTS = "example/inputs.npy"
EXPECTED = "example/expected.npy"


def examples(package: str | Path, manifest: Manifest) -> tuple[Any, Any]:
    """Example inputs (N, *input_shape) and expected results, N >= 1. Raises PackageError."""
    package = Path(package)
    arrays = []
    for name in (INPUTS, EXPECTED):
        data = manifest.read_file(package, name)
        try:
            arrays.append(read_array(io.BytesIO(data), len(data)))
        except ValueError as error:
            raise PackageError(f"cannot read {package / name}: {error}") from error
    inputs, expected = arrays
    counts = [len(array) if array.ndim else 0 for array in arrays]
    if inputs.shape[1:] != manifest.input_shape or counts[0] != counts[1]:
        raise PackageError(
            f"{package / 'example'}: inputs of shape {inputs.shape} and results of shape"
            f" {expected.shape} do not belong together; make the package again"
        )
    if not counts[0]:
        raise PackageError(f"{package / 'example'} holds no images; make the package again")
    return inputs, expected
