"""The zoo's convolutional networks: PyTorch == Dataflow == RTL, for hostile BatchNorms."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.hardware import RtlConfig, emit
from bnnedge.lowering import LoweringConfig, lower
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.verilated.stalls import Stalls
from tests.hardware.bench import run_network
from tests.models.networks import random_network

_GREY, _COLOURS = (1, 28, 28), (3, 32, 32)
_IMAGES = 64
_SIMULATED = 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topology", "shape", "target_fps"),
    [
        pytest.param(Topology.LENET5, _GREY, 4000, id="lenet5"),
        pytest.param(Topology.NIN, _COLOURS, 400, id="nin"),
        pytest.param(Topology.CNV, _COLOURS, 400, id="cnv"),
        pytest.param(Topology.VGG_SMALL, _COLOURS, 100, id="vgg-small"),
    ],
)
def test_every_stage_is_equal(
    topology: Topology, shape: tuple[int, int, int], target_fps: float, tmp_path: Path, cache: Path
) -> None:
    model = random_network(
        NetworkConfig(topology=topology), input_shape=shape, encoding=IntegerEncoding()
    )
    x = np.random.default_rng(0).integers(0, 256, (_IMAGES, *shape)).astype(np.float32)
    x[0], x[1], x[2::4] = 0, 255, x[2::4] // 64
    streams = model.trace(torch.from_numpy(x))
    logits = streams.popitem()[1].numpy()
    accumulators = streams.popitem()[1].numpy()
    assert len(np.unique(accumulators, axis=0)) > _IMAGES // 2

    onnx.save(to_qonnx(model), tmp_path / "model.onnx")
    lower(tmp_path / "model.onnx", LoweringConfig(check_images=16), tmp_path / "dataflow")
    dataflow = Dataflow.load(tmp_path / "dataflow")
    computed = dataflow.accumulators(x)
    assert np.array_equal(computed, accumulators)
    assert np.array_equal(dataflow.output.logits(computed), logits)

    emit(tmp_path / "dataflow", RtlConfig(target_fps=target_fps), tmp_path / "rtl")
    assert Design.load(tmp_path / "rtl").interval_cycles <= 100e6 / target_fps
    encoded = dataflow.encode(x[:_SIMULATED])
    run = run_network(tmp_path / "rtl", encoded, cache=cache, stalls=Stalls.at_ends(0.3))
    assert np.array_equal(run.values, accumulators[:_SIMULATED])
