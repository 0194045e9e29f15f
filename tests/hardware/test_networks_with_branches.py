"""Networks whose streams branch and meet: RTL == Dataflow, and never stuck."""

import json
from pathlib import Path

import pytest

from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import folding_record
from bnnedge.simulation.check import generate_inputs
from tests.hardware.bench import run_network
from tests.hardware.branch_networks import random_branches
from tests.hardware.conv_networks import random_folding

IMAGES = 8


def check_branches(seed: int, folder: Path, cache: Path) -> None:
    """Results are exact, with and without stalls, at the depths that emission chooses."""
    dataflow = random_branches(seed)
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    record = folding_record(random_folding(dataflow, seed))
    (folder / "folding.json").write_text(json.dumps(record))
    emit(folder / "dataflow", RtlConfig(folding=folder / "folding.json"), folder / "rtl")
    encoded = generate_inputs(dataflow, IMAGES, seed=1)
    expected = dataflow.results_of(encoded)
    for stalls in (0.0, 0.3):
        run = run_network(folder / "rtl", encoded, cache=cache, stalls=stalls)
        assert (run.values == expected).all()


@pytest.mark.parametrize("seed", range(12))
def test_any_network_with_branches_equals_interpreter(
    seed: int, tmp_path: Path, cache: Path
) -> None:
    check_branches(seed, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 232))
def test_many_networks_with_branches_equal_interpreter(
    seed: int, tmp_path: Path, cache: Path
) -> None:
    check_branches(seed, tmp_path, cache)
