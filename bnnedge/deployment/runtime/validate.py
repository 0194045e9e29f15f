"""`python -m bnnedge_runtime.validate`: does the board give the packaged results?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from .accelerator import Accelerator
from .commands import run
from .errors import DeviceError
from .example import examples
from .load import load


def validate(package: str | Path, accelerator: Accelerator, images: int | None = None) -> int:
    """Run packaged examples (at most `images`) and compare; returns how many were equal.

    Raises:
        DeviceError: a result differs (names the first image), or the device fails.
        PackageError: the examples are damaged.
    """
    inputs, expected = examples(package, accelerator.manifest)
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
