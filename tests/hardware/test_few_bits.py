"""Networks of signs, zeros and small integers on bits and integers: RTL, C++ == Dataflow."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.emulator import Emulator, Instructions, library
from tests.hardware.test_unrolled import check_network, emitted, with_unrolled
from tests.hls.bench import needs_ap_types
from tests.hls.test_networks import check_hls
from tests.networks.chains import random_chain
from tests.networks.emulated import few_bits, inputs_of


def network(seed: int) -> Dataflow:
    """Four of five are vectors from the beginning."""
    if seed % 5 == 4:
        return random_chain(seed, magnitudes=8)
    return few_bits(seed, pixels=seed % 3 > 0, small=True)


def check(seed: int, folder: Path, cache: Path) -> None:
    dataflow = network(seed)
    x = inputs_of(dataflow, 70, seed=seed)
    wanted = dataflow.run(x)
    for instructions in (*library.supported(), Instructions.NUMPY):
        assert np.array_equal(Emulator(dataflow, 1, instructions=instructions)(x), wanted)
    folding = with_unrolled(dataflow, seed, 0.4)
    check_network(dataflow, folding, folder, cache, images=12)


@pytest.mark.parametrize("seed", [9])
def test_a_network_of_few_bits_equals_its_dataflow(seed: int, tmp_path: Path, cache: Path) -> None:
    check(seed, tmp_path, cache)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 510))
def test_many_networks_of_few_bits_equal_their_dataflow(
    seed: int, tmp_path: Path, cache: Path
) -> None:
    check(seed, tmp_path, cache)


@pytest.mark.slow
@needs_ap_types
@pytest.mark.parametrize("seed", range(10, 510, 10))
def test_their_hls_equals_their_dataflow(seed: int, tmp_path: Path) -> None:
    dataflow = network(seed)
    rtl = emitted(dataflow, with_unrolled(dataflow, seed, 0.4), tmp_path)
    check_hls(rtl, tmp_path / "hls")
