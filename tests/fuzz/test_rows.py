"""Random networks on rows: PyTorch == Dataflow == emulator == RTL with stalls; slowly, 240."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.emulator import Emulator
from bnnedge.exporter.own_module import export
from bnnedge.lowering import LoweringConfig, lower_model
from tests.fuzz.rows import RandomRows
from tests.hardware.test_networks_with_branches import check_branches

_IMAGES = 24


def lowered(seed: int, folder: Path) -> Dataflow:
    """A network's Dataflow, which gives what PyTorch does; the file is checked on the way."""
    network = RandomRows.of(seed)
    x = network.inputs(_IMAGES)
    export(network.module, x, folder / "export")
    config = LoweringConfig(check_images=16)
    dataflow = lower_model(folder / "export" / "model.onnx", config).dataflow
    assert dataflow.input.input_shape == network.shape
    assert np.array_equal(dataflow.logits(x), network.answers(x))
    assert np.array_equal(Emulator(dataflow).predict(x), dataflow.classify(x))
    return dataflow


@pytest.mark.parametrize(
    "seed", [9, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(240) if seed != 9)]
)
def test_a_network_on_rows_is_exact(seed: int, tmp_path: Path, cache: Path) -> None:
    check_branches(lowered(seed, tmp_path), seed, tmp_path, cache)
