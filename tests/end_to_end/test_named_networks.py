"""TFC, SFC and LFC with hostile BatchNorms: PyTorch → QONNX → Dataflow → RTL, twice folded."""

from pathlib import Path

import numpy as np
import pytest
import torch

import bnnedge
from bnnedge.data.encodings import OneBitThreshold
from bnnedge.models.checkpoint import save_checkpoint
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network


def hostile_checkpoint(topology: Topology, folder: Path) -> Path:
    """An untrained network whose BatchNorms have negative, zero and tied scales and means."""
    torch.manual_seed(1)
    model = build_network(
        NetworkConfig(topology=topology),
        input_shape=(1, 28, 28),
        encoding=OneBitThreshold(threshold=64.0),
        classes=10,
    )
    for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
        width = parameter.shape[-1] if parameter.ndim else 1
        with torch.no_grad():
            if name.endswith("norm.weight") and width > 1:
                parameter.copy_(torch.randn(width))
                parameter[::17] = 0.0
            elif name.endswith("norm.running_mean"):
                parameter.copy_(2.0 * torch.randint(-9, 9, (width,)))  # ties: even MW, even sums
            elif name.endswith("norm.running_var"):
                parameter.copy_(torch.rand(width) * 100 + 1e-3)
            elif name.endswith("norm.bias") and width > 1:
                parameter.copy_(torch.randn(width))
                parameter[::3] = 0.0
    rng = np.random.default_rng(2)
    folder.mkdir()
    save_checkpoint(
        folder,
        model.eval(),
        {"classes": list("0123456789"), "input_range": [0, 255]},
        rng.integers(0, 256, (100, 1, 28, 28), np.uint8),
        rng.integers(0, 10, 100),
    )
    return folder


@pytest.mark.parametrize(
    ("topology", "targets_fps"),
    [
        pytest.param(Topology.TFC, (20_000, 800_000), id="tfc", marks=pytest.mark.smoke),
        pytest.param(Topology.SFC, (20_000, 400_000), id="sfc", marks=pytest.mark.slow),
        pytest.param(Topology.LFC, (5_000, 40_000), id="lfc", marks=pytest.mark.slow),
    ],
)
def test_every_stage_is_equal(
    topology: Topology, targets_fps: tuple[float, ...], tmp_path: Path
) -> None:
    checkpoint = hostile_checkpoint(topology, tmp_path / "checkpoint")
    exported = bnnedge.export(checkpoint, tmp_path / "export").folder
    lowered = bnnedge.lower(exported, tmp_path / "lower").folder
    with np.load(exported / "reference.npz") as reference:
        x, accumulators = reference["inputs"], reference["accumulators"]
    dataflow = bnnedge.Dataflow.load(lowered)
    assert np.array_equal(dataflow.run(x), accumulators)
    assert any(mvu.invert is not None and mvu.invert.any() for mvu in dataflow.mvus)
    intervals = []
    for fps in targets_fps:
        out = tmp_path / f"rtl{fps}"
        bnnedge.rtl(lowered, out, target_fps=fps, clock_mhz=100)
        result = bnnedge.simulate(out, inputs=x[-64:], stalls=0.3)
        assert result.images == 64
        assert result.interval_cycles == result.predicted_interval_cycles
        intervals.append(result.predicted_interval_cycles)
    assert len(set(intervals)) == len(intervals)
