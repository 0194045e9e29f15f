"""Trained networks on their test images: PyTorch and the simulated PYNQ board, the same classes."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge import tools, verbs
from bnnedge.dataflow import Dataflow
from bnnedge.deployment import deploy
from bnnedge.deployment.runtime import Host
from bnnedge.deployment.simulated import open_simulated
from bnnedge.errors import DataError
from bnnedge.models import load_pretrained
from bnnedge.verilated.axi import AxiTraffic
from tests.deployment.conftest import make_pynq_package

IMAGES = 128
DATA = tools.cache_dir() / "data"  # the user's: read before the tests have a cache of their own


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "dataset", "target_fps"), [("tfc", "mnist", 1e5), ("conv", "fashion-mnist", 4e3)]
)
def test_simulated_board_gives_pytorchs_classes(
    tmp_path: Path, network: str, dataset: str, target_fps: float
) -> None:
    try:
        export = verbs.export_model(
            network, dataset, tmp_path / "export", folder=DATA / dataset
        ).folder
    except DataError as error:
        pytest.skip(f"no {dataset} here: {error}")
    images = verbs.test_images(export)[:IMAGES]
    assert len(images) == IMAGES
    verbs.lower(export, tmp_path / "lowered")
    dataflow = Dataflow.load(tmp_path / "lowered")
    package = make_pynq_package(tmp_path / "build", dataflow, inputs=images, target_fps=target_fps)
    with open_simulated(package, Host.load(package), batch_size=50) as (accelerator, _):
        results = accelerator.execute(images)
        logits = accelerator.logits(images)
    assert np.array_equal(results, dataflow.run(images))
    assert np.array_equal(logits, dataflow.logits(images))
    classes = load_pretrained(network, dataset).predict(images)
    assert np.array_equal(logits.argmax(axis=1), classes)
    traffic = AxiTraffic(stall=0.3, burst_beats=8, pause_clocks=10)
    found = deploy(package, images=16, traffic=traffic)
    print(network, found)
    assert found.images == 16
