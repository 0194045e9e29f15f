"""The command line of a PYNQ board, with the options of FINN's driver."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .axi import DEFAULT_BATCH, AxiAccelerator
from .commands import run, write
from .files import read_batch, require_writable
from .load import load


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Run the packaged network on the PYNQ board that this runs on.",
        epilog="example: driver.py --exec_mode execute --inputfile ../example/inputs.npy",
    )
    parser.add_argument("--exec_mode", choices=("execute", "throughput_test"), default="execute")
    parser.add_argument("--batchsize", type=int, default=DEFAULT_BATCH, help="images per transfer")
    parser.add_argument("--inputfile", type=Path, default=Path("input.npy"))
    parser.add_argument("--outputfile", type=Path, default=Path("output.npy"))
    parser.add_argument("--bitfile", type=Path, help="default: the packaged one")
    parser.add_argument("--package", type=Path, help="default: the folder of this driver")
    return parser


def main() -> int:
    """Returns the exit status: 0 only if everything that was asked for was done."""
    asked = _parser().parse_args()
    return run(lambda: _run(asked))


def _run(asked: argparse.Namespace) -> None:
    execute = asked.exec_mode == "execute"
    batch = read_batch(asked.inputfile) if execute else None
    if execute:
        require_writable(asked.outputfile)
    with load(asked.package, bitfile=asked.bitfile, batch_size=asked.batchsize) as accelerator:
        if batch is not None:
            write(accelerator, batch, asked.outputfile)
        else:
            assert isinstance(accelerator, AxiAccelerator)
            for name, value in accelerator.throughput_test().items():
                print(f"{name}: {value:.6g}")


if __name__ == "__main__":
    sys.exit(main())
