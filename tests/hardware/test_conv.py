"""Whole convolutional networks: RTL == Dataflow, interval == prediction."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import Folding, folding_record
from bnnedge.simulation.check import expected_values, generate_inputs
from tests.hardware.bench import run_network, steady_intervals
from tests.hardware.conv_networks import random_chain, random_folding

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
    encoded = generate_inputs(dataflow, images, seed=1)
    expected = expected_values(dataflow, encoded)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dataflow").mkdir()
        dataflow.save(folder / "dataflow")
        (folder / "folding.json").write_text(json.dumps(folding_record(folding)))
        emit(folder / "dataflow", RtlConfig(folding=folder / "folding.json"), folder / "rtl")
        design = Design.load(folder / "rtl")
        for stalls in (0.3, 0.0):
            run = run_network(folder / "rtl", encoded, cache=cache, stalls=stalls)
            assert (run.values == expected).all()
    interval = steady_intervals(run.stream, design.output_beats).mean()
    assert np.isclose(interval, design.interval_cycles, rtol=0.01, atol=0)
    return design


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
