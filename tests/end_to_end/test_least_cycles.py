"""What a recipe is told of its hardware's speed before the training is what the folding says."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.errors import FoldingError
from bnnedge.hardware.folding import choose_folding
from bnnedge.lowering import LoweringConfig
from bnnedge.lowering.lower import lower_model
from bnnedge.models.checkpoint import save_checkpoint
from bnnedge.models.config import LayerConfig, NetworkConfig, PoolConfig, StageConfig, Topology
from bnnedge.models.topologies import layer_shapes, least_cycles
from bnnedge.models.zoo import build_network
from bnnedge.verbs import export

_STACK = (
    LayerConfig(conv=4, kernel=5, padding=2, stride=2),
    LayerConfig(conv=4, kernel=1),
    LayerConfig(conv=6, padding=1, pool=PoolConfig(size=2)),
    LayerConfig(dense=8),
)
_STAGES = (StageConfig(channels=4), StageConfig(channels=8, stride=2))


@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig(topology=Topology.CONV, layers=_STACK),
        pytest.param(
            NetworkConfig(topology=Topology.RESNET, stages=_STAGES), marks=pytest.mark.slow
        ),
        NetworkConfig(topology=Topology.CONV, layers=(LayerConfig(conv=4, kernel=9),)),
    ],
    ids=["stack", "residual", "one window"],
)
def test_the_bound_is_reached_and_never_passed(tmp_path: Path, network: NetworkConfig) -> None:
    shape, encoding = (1, 9, 9), IntegerEncoding()
    model = build_network(network, input_shape=shape, encoding=encoding, classes=3).eval()
    (checkpoint := tmp_path / "checkpoint").mkdir()
    images = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8)
    save_checkpoint(checkpoint, model, {"input_range": [0, 255]}, images, np.zeros(4, np.int64))
    onnx = export(checkpoint, tmp_path / "export").folder / "model.onnx"
    graph = lower_model(onnx, LoweringConfig()).dataflow
    cycles = least_cycles(layer_shapes(network, shape, encoding, 3))
    choose_folding(graph, target_fps=1e8 / cycles, clock_mhz=100)
    with pytest.raises(FoldingError):
        choose_folding(graph, target_fps=1e8 / (cycles - 0.5), clock_mhz=100)
