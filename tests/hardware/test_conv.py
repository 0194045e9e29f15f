"""Whole convolutional networks: RTL == Dataflow, interval == prediction."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge.dataflow import Dataflow, ElementType, Window
from bnnedge.design import TOP_MODULE, Design
from bnnedge.equality import stimuli
from bnnedge.errors import FoldingError
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import Folding, folding_record
from bnnedge.simulation import PATTERNS
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS, Stalls
from tests.hardware.bench import run_network, steady_intervals
from tests.networks import random_conv, with_class_scales
from tests.networks.chains import (
    ChainMaker,
    bit_encoding,
    pixel_encoding,
    random_chain,
    random_folding,
)

_SETTINGS = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_WIDE = settings(_SETTINGS, max_examples=200)


def check_network(dataflow: Dataflow, folding: Folding, cache: Path, *, images: int = 12) -> Design:
    """Every result equals the interpreter's, and images come at the predicted rate."""
    encoded = stimuli(dataflow, images, seed=1)
    expected = dataflow.results_of(encoded)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dataflow").mkdir()
        dataflow.save(folder / "dataflow")
        (folder / "folding.json").write_text(json.dumps(folding_record(folding)))
        emit(folder / "dataflow", RtlConfig(folding=folder / "folding.json"), folder / "rtl")
        design = Design.load(folder / "rtl")
        for stalls in (*PATTERNS, NO_STALLS):
            run = run_network(folder / "rtl", encoded, cache=cache, stalls=stalls)
            assert (run.values == expected).all()
    interval = steady_intervals(run.stream.received[0].cycles, design.output_beats).mean()
    assert np.isclose(interval, design.interval_cycles, rtol=0.01, atol=0)
    return design


def emitted(dataflow: Dataflow, config: RtlConfig, folder: Path) -> Design:
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    emit(folder / "dataflow", config, folder / "rtl")
    return Design.load(folder / "rtl")


def test_every_kernel_keeps_up_with_the_target(tmp_path: Path, cache: Path) -> None:
    """Also: every kind of node in one network, and its input stream in whole bytes."""
    dataflow = random_conv()
    design = emitted(dataflow, RtlConfig(target_fps=1.2e5), tmp_path)
    assert design.interval_cycles <= 100e6 / 1.2e5
    assert [layer.name for layer in design.layers] == [node.name for node in dataflow.nodes]
    assert [layer.name for layer in design.layers if layer.kernel == "wires"] == ["flatten"]
    assert (design.input_elements, design.input_element_bits) == (84, 8)
    verilator.lint([tmp_path / "rtl" / name for name in design.sources], top=TOP_MODULE)
    encoded = stimuli(dataflow, 20, seed=2)
    for stalls in (NO_STALLS, *PATTERNS):
        run = run_network(tmp_path / "rtl", encoded, cache=cache, stalls=stalls)
        assert (run.values == dataflow.results_of(encoded)).all()


def test_a_window_that_is_too_slow_is_named(tmp_path: Path) -> None:
    maker = ChainMaker(0, bit_encoding((6, 6, 2)))
    maker.conv(3, Window(kernel=(3, 3)))
    maker.flatten()
    maker.matrix(2, thresholded=False)
    with pytest.raises(FoldingError) as caught:
        emitted(maker.finish(classes=False), RtlConfig(target_fps=1e6), tmp_path)
    # 4 x 4 windows of nine taps, one pixel a cycle.
    assert str(caught.value) == (
        "target_fps: wanted 1e+06 images/s, at 100 MHz window0 does at most 694444"
        " — lower the target or raise the clock"
    )
    assert not (tmp_path / "rtl").exists()


def test_wires_need_no_kernel(tmp_path: Path, cache: Path) -> None:
    """1x1 convolutions, and a window that is the whole feature map."""
    maker = ChainMaker(3, pixel_encoding((3, 4, 2), ElementType(width_bits=3)))
    maker.conv(6, Window(kernel=(1, 1)))
    maker.conv(4, Window(kernel=(1, 1)), groups=2)
    maker.conv(5, Window(kernel=(3, 4)), thresholded=False)
    maker.flatten()
    dataflow = maker.finish(classes=True)
    design = emitted(dataflow, RtlConfig(target_fps=1e6), tmp_path)
    windows = [layer for layer in design.layers if layer.name.startswith("window")]
    assert [layer.kernel for layer in windows] == ["wires"] * 3
    encoded = stimuli(dataflow, 20, seed=2)
    run = run_network(tmp_path / "rtl", encoded, cache=cache, stalls=Stalls.at_ends(0.3))
    assert (run.values == dataflow.results_of(encoded)).all()


def test_scores_of_sums_find_the_class(cache: Path) -> None:
    """Sums of a padded map are odd and even: a table in steps of 1."""
    maker = ChainMaker(3, bit_encoding((5, 4, 3)))
    maker.conv(5, Window(kernel=(3, 3), padding=(1, 1, 1, 1)), exact_zeros=True, thresholded=False)
    maker.sum_pool(Window(kernel=(5, 4)))
    maker.flatten()
    dataflow = with_class_scales(maker.finish(classes=False), seed=4)
    assert dataflow.output.step == 1
    encoded = stimuli(dataflow, 12, seed=1)
    assert len(np.unique(dataflow.results_of(encoded))) > 2
    check_network(dataflow, random_folding(dataflow, 3), cache)


@given(seed=st.integers(0, 10**6))
@_SETTINGS
def test_any_convolutional_network_equals_interpreter(seed: int, cache: Path) -> None:
    dataflow = random_chain(seed)
    check_network(dataflow, random_folding(dataflow, seed), cache)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
@_WIDE
def test_many_convolutional_networks_equal_interpreter(seed: int, cache: Path) -> None:
    dataflow = random_chain(seed)
    check_network(dataflow, random_folding(dataflow, seed), cache)
