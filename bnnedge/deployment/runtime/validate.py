"""`python -m bnnedge_runtime.validate`: does the board give the packaged results?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .accelerator import Accelerator
from .errors import AcceleratorError, DeviceError, PackageError
from .load import load

INPUTS = "example/inputs.npy"
EXPECTED = "example/expected.npy"


def examples(package: Path, accelerator: Accelerator) -> tuple[Any, Any]:
    """Example inputs (N, *input_shape) and expected results. Raises PackageError."""
    arrays = []
    for name in (INPUTS, EXPECTED):
        accelerator.manifest.check_file(package, name)
        try:
            arrays.append(np.load(package / name, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise PackageError(f"cannot read {package / name}: {error}") from error
    return arrays[0], arrays[1]


def validate(package: Path, accelerator: Accelerator, images: int | None = None) -> int:
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
    try:
        with load(asked.package, port=asked.port, bitfile=asked.bitfile) as accelerator:
            count = validate(asked.package, accelerator)
    except AcceleratorError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} of {count} example images equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
