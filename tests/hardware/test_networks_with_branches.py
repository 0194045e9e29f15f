"""Networks whose streams branch and meet: RTL == Dataflow, and never stuck."""

import json
from pathlib import Path

import pytest

from bnnedge import verbs
from bnnedge.dataflow import INPUT, Add, Dataflow, ElementType
from bnnedge.design import Design
from bnnedge.equality import stimuli
from bnnedge.errors import MismatchError
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import folding_record
from bnnedge.simulation import PATTERNS
from bnnedge.verilated.stalls import NO_STALLS, Stalls
from tests.hardware.bench import run_network, steady_intervals
from tests.networks.branches import BranchMaker, random_branches
from tests.networks.chains import pixel_encoding, random_folding

IMAGES = 8


def emitted(dataflow: Dataflow, seed: int, folder: Path) -> Path:
    """RTL in a folder, randomly folded."""
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    record = folding_record(random_folding(dataflow, seed))
    (folder / "folding.json").write_text(json.dumps(record))
    config = RtlConfig(folding=folder / "folding.json")
    return emit(folder / "dataflow", config, folder / "rtl").folder


def check_branches(dataflow: Dataflow, seed: int, folder: Path, cache: Path) -> None:
    """Results are exact, with and without stalls, at the depths that emission chooses."""
    rtl = emitted(dataflow, seed, folder)
    encoded = stimuli(dataflow, IMAGES, seed=1)
    expected = dataflow.results_of(encoded)
    for stalls in (NO_STALLS, *PATTERNS):
        run = run_network(rtl, encoded, cache=cache, stalls=stalls)
        assert (run.values == expected).all()


@pytest.mark.parametrize("seed", range(6))
def test_any_network_with_branches_equals_interpreter(
    seed: int, tmp_path: Path, cache: Path
) -> None:
    check_branches(random_branches(seed), seed, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 232))
def test_many_networks_with_branches_equal_interpreter(
    seed: int, tmp_path: Path, cache: Path
) -> None:
    check_branches(random_branches(seed), seed, tmp_path, cache)


def test_an_input_that_travels_in_bytes_is_forked(tmp_path: Path, cache: Path) -> None:
    """To a sum, to a layer and to thresholds, each of which wants its 4 bits."""
    maker = BranchMaker(1, pixel_encoding((3, 3, 2), ElementType(width_bits=4, signed=True)))
    maker.quantise()
    maker.add(Add(name="sum"), INPUT, maker.at)
    maker.at = INPUT
    maker.matrix(2, thresholded=False)
    maker.add(Add(name="both"), maker.at, "sum")
    maker.flatten()
    maker.matrix(3, thresholded=False)
    dataflow = maker.finish(classes=False)
    assert [name for names in dataflow.sources.values() for name in names].count(INPUT) == 3
    check_branches(dataflow, 1, tmp_path, cache)


@pytest.mark.parametrize(
    "seed", [5, 7, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 1, 2, 6))]
)
def test_sized_fifos_keep_the_predicted_rate(seed: int, tmp_path: Path, cache: Path) -> None:
    rtl = emitted(random_branches(seed), seed, tmp_path)
    predicted = Design.load(rtl).interval_cycles
    facts = verbs.fifos(rtl, tmp_path / "fifos").facts
    assert facts.interval_cycles == facts.predicted_interval_cycles == predicted
    for fifo in facts.fifos:
        assert 2 <= fifo.depth_words <= max(2, fifo.high_water_words + 1)
    config = RtlConfig(folding=rtl / "folding.json", fifo_depths=tmp_path / "fifos" / "fifos.json")
    sized = emit(rtl / "dataflow", config, tmp_path / "sized").folder
    dataflow = Dataflow.load(rtl / "dataflow")
    encoded = stimuli(dataflow, 12, seed=3)
    for stalls in (Stalls.at_ends(0.3), NO_STALLS):
        run = run_network(sized, encoded, cache=cache, stalls=stalls)
        assert (run.values == dataflow.results_of(encoded)).all()
    beats = Design.load(sized).output_beats
    assert (steady_intervals(run.stream.received[0].cycles, beats) == predicted).all()


def test_a_network_that_is_slower_than_predicted_is_refused(tmp_path: Path) -> None:
    """Zeros come in bursts behind a crop, and what is before it has no cycle to spare."""
    rtl = emitted(random_branches(3), 3, tmp_path)
    with pytest.raises(MismatchError, match="predicted 210 cycles/image, measured 222.0"):
        verbs.fifos(rtl, tmp_path / "fifos")
    assert not (tmp_path / "fifos").exists()
