"""Every form of a residual block: PyTorch == QONNX == Dataflow == RTL."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from bnnedge.errors import LoweringError
from bnnedge.exporter.check import compare_streams
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.hardware import RtlConfig, emit
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.ops.blocks.config import Downsample, LayerOrder
from bnnedge.simulation import PATTERNS
from bnnedge.verilated.stalls import NO_STALLS
from tests.end_to_end.residual_networks import random_block
from tests.hardware.bench import run_network

ORDERS = {
    "conv-bn": LayerOrder.CONV_BN_RELU,
    "bn-conv": LayerOrder.BN_CONV_RELU,
    "conv-bn-relu": LayerOrder.CONV_BN_RELU,
    "bn-conv-relu": LayerOrder.BN_CONV_RELU,
}
# Channels (8 come in), stride, shortcut and size: odd where half of it may be rounded up.
SHORTCUTS = {
    "identity": (8, 1, Downsample.AVGPOOL, (7, 5)),
    "widen": (12, 1, Downsample.BINARY_CONV, (7, 5)),
    "every-second-pixel": (16, 2, Downsample.AVGPOOL, (7, 5)),
    "binary-conv": (12, 2, Downsample.BINARY_CONV, (7, 5)),
    "mean": (8, 2, Downsample.MEAN, (8, 4)),
    "mean-twice": (16, 2, Downsample.MEAN, (6, 4)),
}
ALWAYS = {
    ("bn-conv", "identity", 4),
    ("conv-bn", "every-second-pixel", 4),
    ("bn-conv", "mean-twice", 8),
    ("conv-bn", "binary-conv", 2),
    ("conv-bn-relu", "identity", 4),
}
IMAGES, SIMULATED = 40, 5


def cases() -> list[Any]:
    return [
        pytest.param(
            *case,
            id="-".join(map(str, case)),
            marks=[] if case in ALWAYS else [pytest.mark.slow],
        )
        for case in (
            (o, s, bits)
            for o in ORDERS
            for s in SHORTCUTS
            for bits in (2, 4, 8)
            # Behind a ReLU most signs are +1, so few such networks tell images apart.
            if not o.endswith("relu") or (s, bits) == ("identity", 4)
        )
    ]


@pytest.mark.parametrize(("order", "shortcut", "bits"), cases())
def test_every_stage_is_equal(
    order: str, shortcut: str, bits: int, tmp_path: Path, cache: Path
) -> None:
    channels, stride, downsample, size = SHORTCUTS[shortcut]
    model = random_block(
        channels=channels,
        stride=stride,
        order=ORDERS[order],
        downsample=downsample,
        bits=bits,
        shape=(2, *size),
        relu=order.endswith("relu"),
    )
    x = np.random.default_rng(bits).integers(0, 256, (IMAGES, 2, *size)).astype(np.float32)
    x[0], x[1], x[2::4] = 0, 255, x[2::4] // 64
    streams = model.trace(torch.from_numpy(x))
    codes = [stream for name, stream in streams.items() if name.endswith("quant")]
    assert min(len(stream.unique()) for stream in codes) >= (2 if bits == 2 else 6)

    graph = to_qonnx(model)
    compared = compare_streams(model, graph, x)
    assert len(np.unique(compared.accumulators, axis=0)) > IMAGES // 2
    onnx.save(graph, tmp_path / "model.onnx")
    np.savez(
        tmp_path / "reference.npz",
        inputs=x,
        accumulators=compared.accumulators,
        logits=compared.logits,
    )
    lowered = lower_model(tmp_path / "model.onnx", LoweringConfig(check_images=64))
    assert lowered.facts["checks"]["pytorch"]["images"] == IMAGES
    dataflow = lowered.dataflow
    assert np.array_equal(dataflow.accumulators(x), compared.accumulators)
    assert np.array_equal(dataflow.logits(x), compared.logits)

    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    emit(tmp_path / "dataflow", RtlConfig(target_fps=2e5), tmp_path / "rtl")
    for stalls in (NO_STALLS, *PATTERNS):
        run = run_network(
            tmp_path / "rtl", dataflow.encode(x[:SIMULATED]), cache=cache, stalls=stalls
        )
        assert np.array_equal(run.values, compared.accumulators[:SIMULATED])


def test_means_at_the_edge_of_odd_images_are_refused(tmp_path: Path) -> None:
    """They are of fewer pixels than the others."""
    model = random_block(
        channels=8,
        stride=2,
        order=LayerOrder.CONV_BN_RELU,
        downsample=Downsample.MEAN,
        bits=4,
        shape=(2, 7, 5),
    )
    onnx.save(to_qonnx(model), tmp_path / "model.onnx")
    with pytest.raises(LoweringError, match="skip.pool.*ceil_mode adds an incomplete window"):
        lower_model(tmp_path / "model.onnx", LoweringConfig())
