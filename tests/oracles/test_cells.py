"""A kernel takes no more cells than what is on record, in three of its forms, on two families.

`cells.json` holds Yosys's counts by family, kernel and place in the seeded networks. What is mapped
is the kernel in the benches' wrapper (`tests.hardware.bench`), whose names and order of nets steer
ABC's heuristics: where the wrapper or Yosys changed, a count may move by a cell although the kernel
did not. So look at `git log` of the kernel's `.sv` before `--refresh-golden`: where that is as it
was and the difference is a cell or two, record it in a commit of its own.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from bnnedge.families import REFERENCE
from bnnedge.hardware.emit import read_network
from bnnedge.hardware.kernels import Kernel, UnrolledKernel
from tests.hardware import mapped
from tests.oracles.networks import SEEDED, emitted

GOLDEN = Path(__file__).parent / "cells.json"
_FAMILIES = {"ECP5": mapped.ECP5, "xc7": mapped.XC7}
# Those that leave out, by conditions of their own, what a size does not need.
_BY_DEFAULT = (("sliding_window", "ECP5"), ("stream_width_converter", "ECP5"))
_RESOURCES = {
    "LUTs": r"LUT\d|INV|MUXF[78]",
    "carries": r"CCU2C|CARRY4",
    "flip-flops": r"TRELLIS_FF|FD\wE|SRL\w+",
    "LUT RAM": r"TRELLIS_DPR16X4|RAM(32|64)\w+",
    "block RAM": r"DP16KD|PDPW16KD|RAMB\w+",
    "free": r"PFUMX|L6MUX21",
}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Kernel]]:
    """The cheapest, a middle and the dearest of each kernel in the seeded networks."""
    found: dict[str, dict[str, Kernel]] = {}
    for name, (dataflow, how) in SEEDED.items():
        rtl = emitted(dataflow(), how, tmp_path_factory.mktemp(name))
        for part in read_network(rtl).placed:
            found.setdefault(part.kernel.module, {})[f"{name}: {part.name}"] = part.kernel
    chosen = {}
    for module, places in found.items():
        ordered = sorted(
            places, key=lambda place: (places[place].cost(REFERENCE.prices).combs, place)
        )
        ends = dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1]))
        chosen[module] = {place: places[place] for place in ends}
    return chosen


def _modules() -> list[str]:
    """All but those whose cells are counted before they are written, and their gate."""
    kinds = [Kernel]
    for kind in kinds:
        kinds += [each for each in kind.__subclasses__() if each is not UnrolledKernel]
    return sorted({kind.module for kind in kinds if hasattr(kind, "module")} - {"credit_gate"})


def _resources(count: Mapping[str, int]) -> dict[str, int]:
    """Cells by resource; every type is one of them, or belongs to lookup tables as it is."""
    sums = dict.fromkeys(_RESOURCES, 0)
    for kind, number in count.items():
        (resource,) = (r for r, pattern in _RESOURCES.items() if re.fullmatch(pattern, kind))
        sums[resource] += number
    del sums["free"]
    return sums


@pytest.mark.parametrize(
    ("module", "family"),
    [
        pytest.param(
            module, family, marks=() if (module, family) in _BY_DEFAULT else pytest.mark.slow
        )
        for module in _modules()
        for family in _FAMILIES
    ],
)
def test_a_kernel_takes_no_more_cells_than_on_record(
    module: str,
    family: str,
    kernels: Mapping[str, Mapping[str, Kernel]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    found = {}
    for number, (place, kernel) in enumerate(kernels[module].items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        found[place] = _resources(mapped.cells(kernel, folder, _FAMILIES[family]))
    records = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if request.config.getoption("--refresh-golden"):
        records.setdefault(family, {})[module] = found
        GOLDEN.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    wanted = records[family][module]
    assert found.keys() == wanted.keys()
    more = [
        f"{place}: {resource}: {wanted[place][resource]} → {number}"
        for place, counts in found.items()
        for resource, number in counts.items()
        if number > wanted[place][resource]
    ]
    assert not more, "--refresh-golden records what is there now"
