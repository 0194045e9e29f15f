"""`python -m bnnedge_runtime --port PORT --inputs X.npy --outputs Y.npy`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .commands import run, write
from .errors import InputError
from .files import read_batch, require_writable
from .load import load
from .uart import SerialAccelerator


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bnnedge_runtime",
        description="Run the packaged network on the board at a serial port.",
        epilog="example: python -m bnnedge_runtime --port /dev/ttyUSB0"
        " --inputs example/inputs.npy --outputs results.npy",
    )
    parser.add_argument("--port", required=True, help="e.g. /dev/ttyUSB0 or COM3")
    parser.add_argument("--package", type=Path, help="default: the folder of this driver")
    parser.add_argument("--inputs", type=Path, help="batch (N, *input_shape), .npy")
    parser.add_argument("--outputs", type=Path, help="where the integer results go, .npy")
    parser.add_argument("--throughput", type=int, metavar="N", help="measure with N random images")
    parser.add_argument(
        "--measure", type=int, metavar="ROUNDS", help="of the images that the device holds, to 256"
    )
    return parser


def main() -> int:
    """Returns the exit status: 0 only if everything that was asked for was done."""
    parser = _parser()
    asked = parser.parse_args()
    if (asked.inputs is None) != (asked.outputs is None):
        parser.error("--inputs and --outputs go together")
    return run(lambda: _run(asked))


def _run(asked: argparse.Namespace) -> None:
    batch = None
    if asked.inputs is not None:
        batch = read_batch(asked.inputs)
        require_writable(asked.outputs)
    with load(asked.package, port=asked.port) as accelerator:
        assert isinstance(accelerator, SerialAccelerator)
        manifest = accelerator.manifest
        print(f"{manifest.network} on {asked.port}, id {manifest.id_word:#010x}")
        if batch is not None:
            write(accelerator, batch, asked.outputs)
        if asked.throughput is not None:
            found = accelerator.throughput_test(asked.throughput)
            print(
                f"{found.images} images in {found.seconds:.3f} s: {found.images_per_s:.1f}"
                f" images/s (line and network allow {found.bound_images_per_s:.1f})"
            )
        if asked.measure is not None:
            report = accelerator.measure(asked.measure)
            if report is None:
                raise InputError("the device holds no images; see bnnedge synth --store")
            print(
                f"{report.images} images that the device holds, all right:"
                f" {report.cycles_per_image:.6g} cycles each (predicted"
                f" {manifest.interval_cycles}),"
                f" {manifest.clock_hz / report.cycles_per_image:.1f} images/s"
            )


if __name__ == "__main__":
    sys.exit(main())
