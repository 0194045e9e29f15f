"""BinaryResNet-20 with hostile BatchNorms: exact at every stage, as fast as predicted."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bnnedge import verbs
from bnnedge.data.encodings import IntegerEncoding
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import FOLDING_FILE
from bnnedge.lowering import LoweringConfig, lower
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.verilated.stalls import NO_STALLS, Stalls
from tests.end_to_end.residual_networks import settle
from tests.hardware.bench import run_network, steady_intervals

_IMAGES, _SIMULATED = 64, 8


@pytest.mark.slow
def test_every_stage_is_equal_at_the_predicted_rate(tmp_path: Path, cache: Path) -> None:
    torch.manual_seed(6)
    model = build_network(
        NetworkConfig(topology=Topology.RESNET20),
        input_shape=(3, 32, 32),
        encoding=IntegerEncoding(),
        classes=10,
    )
    settle(model, seed=6)
    x = np.random.default_rng(6).integers(0, 256, (_IMAGES, 3, 32, 32)).astype(np.float32)
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

    draft = emit(tmp_path / "dataflow", RtlConfig(), tmp_path / "draft").folder
    sized = verbs.fifos(draft, tmp_path / "fifos")
    config = RtlConfig(folding=draft / FOLDING_FILE, fifo_depths=sized.folder / "fifos.json")
    rtl = emit(tmp_path / "dataflow", config, tmp_path / "rtl").folder
    for stalls in (Stalls.at_ends(0.3), NO_STALLS):
        run = run_network(rtl, dataflow.encode(x[:_SIMULATED]), cache=cache, stalls=stalls)
        assert np.array_equal(run.values, accumulators[:_SIMULATED])
    design = Design.load(rtl)
    intervals = steady_intervals(run.stream.received[0].cycles, design.output_beats)
    assert (intervals == design.interval_cycles).all()
