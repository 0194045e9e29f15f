"""How many results were compared, of which kind, and how many differ.

PYTHONPATH=. python build_scripts/exactness.py rtl 10000000
PYTHONPATH=. python build_scripts/exactness.py emulator 1000000000

Networks and images are seeded and random, images of the first layer lie on its thresholds. `rtl`:
the SystemVerilog in Verilator, with every stall pattern in turn that holds up streams between
kernels. `emulator`: the bit-packed engine. Both against `Dataflow.run`.
"""

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.emulator import Emulator
from bnnedge.hardware import RtlConfig, emit
from bnnedge.simulation.core import Core
from bnnedge.simulation.patterns import PATTERNS
from tests.networks import random_conv, random_mlp
from tests.networks.emulated import inputs_of
from tests.networks.mlp import random_inputs


def rtl(folder: Path) -> Iterator[tuple[str, int, int]]:
    """What was compared, how many values, how many differ; without an end."""
    networks = {
        "dense 24-48-96": random_mlp((24, 48, 96), seed=1),
        "conv": random_conv(seed=1),
    }
    cores = {}
    patterns = [stalls for stalls in PATTERNS if stalls.inner.share]
    for name, dataflow in networks.items():
        place = folder / name.split()[0] / "dataflow"
        place.mkdir(parents=True)
        dataflow.save(place)
        config = RtlConfig(target_fps=1e7 if "dense" in name else 1e5)
        cores[name] = Core.load(emit(place, config, place.parent / "rtl").folder)
    for round_number in itertools.count():
        for (name, dataflow), stalls in itertools.product(networks.items(), patterns):
            dense = "dense" in name
            images = (random_inputs if dense else inputs_of)(
                dataflow, 20_000 if dense else 200, seed=round_number
            )
            run = cores[name].run(dataflow.encode(images), stalls=stalls, seed=round_number)
            yield f"{name}, {stalls.name}", *compared(run.values, dataflow.run(images))


def emulator(folder: Path) -> Iterator[tuple[str, int, int]]:
    """The same for the emulator."""
    networks = {"dense 64-128-1024": random_mlp((64, 128, 1024), seed=2), "conv": random_conv()}
    engines = {name: Emulator(dataflow, 1) for name, dataflow in networks.items()}
    for round_number in itertools.count():
        for name, dataflow in networks.items():
            dense = "dense" in name
            images = (random_inputs if dense else inputs_of)(
                dataflow, 20_000 if dense else 500, seed=round_number
            )
            yield name, *compared(engines[name](images), dataflow.run(images))


def compared(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[int, int]:
    """How many values, and how many that differ."""
    assert found.shape == wanted.shape
    return wanted.size, int((found != wanted).sum())


def main(kind: str, wanted: int) -> None:
    """Print a line for each kind, and a total."""
    counts: dict[str, tuple[int, int]] = {}
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for name, values, different in {"rtl": rtl, "emulator": emulator}[kind](Path(folder)):
            before = counts.get(name, (0, 0))
            counts[name] = (before[0] + values, before[1] + different)
            if sum(count for count, _ in counts.values()) >= wanted:
                break
    for name, (values, different) in counts.items():
        print(f"{kind}, {name}: {values:,} values, {different} differ")
    total = sum(count for count, _ in counts.values())
    wrong = sum(different for _, different in counts.values())
    print(f"{kind}: {total:,} values, {wrong} differ, {time.process_time() - start:.0f} CPU s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(sys.argv[1], int(float(sys.argv[2])))
