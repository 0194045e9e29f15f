"""`python -m bnnedge_runtime.validate`: does the board give the packaged results?"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .accelerator import Accelerator
from .arrays import read_array
from .commands import run
from .errors import DeviceError, PackageError
from .load import load

INPUTS = "example/inputs.npy"
EXPECTED = "example/expected.npy"


def examples(package: str | Path, accelerator: Accelerator) -> tuple[Any, Any]:
    """Example inputs (N, *input_shape) and expected results, N >= 1. Raises PackageError."""
    package = Path(package)
    arrays = []
    for name in (INPUTS, EXPECTED):
        data = accelerator.manifest.read_file(package, name)
        try:
            arrays.append(read_array(io.BytesIO(data), len(data)))
        except ValueError as error:
            raise PackageError(f"cannot read {package / name}: {error}") from error
    inputs, expected = arrays
    counts = [len(array) if array.ndim else 0 for array in arrays]
    if inputs.shape[1:] != accelerator.manifest.input_shape or counts[0] != counts[1]:
        raise PackageError(
            f"{package / 'example'}: inputs of shape {inputs.shape} and results of shape"
            f" {expected.shape} do not belong together; make the package again"
        )
    if not counts[0]:
        raise PackageError(f"{package / 'example'} holds no images; make the package again")
    return inputs, expected


def validate(package: str | Path, accelerator: Accelerator, images: int | None = None) -> int:
    """Run packaged examples (at most `images`) and compare; returns how many were equal.

    Raises:
        DeviceError: a result differs (names the first image), or the device fails.
        PackageError: the examples are damaged.
    """
    inputs, expected = examples(package, accelerator)
    inputs, expected = inputs[:images], expected[:images]
    got = accelerator.execute(inputs)
    if not np.array_equal(got, expected):
        if got.shape != expected.shape:
            raise DeviceError(f"wanted results of shape {expected.shape}, got {got.shape}")
        differs = (got != expected).reshape(len(got), -1)
        image = int(differs.any(axis=1).argmax())
        element = int(differs[image].argmax())
        raise DeviceError(
            f"example image {image}, element {element}:"
            f" wanted {expected.reshape(len(got), -1)[image, element]},"
            f" got {got.reshape(len(got), -1)[image, element]}"
            f" ({int(differs.any(axis=1).sum())} of {len(got)} images differ)"
        )
    return len(inputs)


def main() -> int:
    """Returns the exit status: 0 only if every example image gave the expected result."""
    parser = argparse.ArgumentParser(prog="python -m bnnedge_runtime.validate")
    parser.add_argument("--port", help="of a board on a serial line, e.g. /dev/ttyUSB0 or COM3")
    parser.add_argument("--bitfile", type=Path, help="on a PYNQ board; default: the packaged one")
    parser.add_argument("--package", type=Path, default=Path(__file__).resolve().parent.parent)
    asked = parser.parse_args()
    return run(lambda: _run(asked))


def _run(asked: argparse.Namespace) -> None:
    with load(asked.package, port=asked.port, bitfile=asked.bitfile) as accelerator:
        count = validate(asked.package, accelerator)
    print(f"{count} of {count} example images equal")


if __name__ == "__main__":
    sys.exit(main())
