"""Brevitas's own bnn_pynq networks, exported by its own exporter, with hostile BatchNorms."""

import configparser
import time
from pathlib import Path

import brevitas_examples.bnn_pynq
import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas_examples.bnn_pynq.models.FC import fc

import bnnedge
from bnnedge.dataflow import IntegerMvu, MultiThreshold, ThresholdEncoding
from bnnedge.emulator import Emulator
from bnnedge.lowering import LoweringConfig, lower, lower_model
from tests.brevitas_cnv import brevitas_cnv
from tests.lowering.graphs import adversarial_norm, execute


def bnn_pynq(name: str, seed: int, hostile: bool) -> torch.nn.Module:
    """A fully connected one, with random weights; `hostile` BatchNorms hit accumulators."""
    config = configparser.ConfigParser()
    # Of an LFC with weights of two bits there is no file.
    known = "lfc_1w2a" if name == "lfc_2w2a" else name
    config.read(Path(brevitas_examples.bnn_pynq.__file__).parent / "cfg" / f"{known}.ini")
    config["QUANT"]["WEIGHT_BIT_WIDTH"] = name[4]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = fc(config).eval()
    synapses = 0
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            synapses = module.in_features
        if isinstance(module, torch.nn.BatchNorm1d):
            norm = adversarial_norm(rng, synapses, module.num_features)
            module.weight.data = torch.from_numpy(norm.gamma)
            module.bias.data = torch.from_numpy(norm.beta)
            module.running_mean = torch.from_numpy(norm.mean)
            module.running_var = torch.from_numpy(norm.variance)
            if not hostile:
                module.bias.data = torch.randn(module.num_features)
                module.running_mean += 0.37  # on no accumulator
                module.running_var = 1 + torch.rand(module.num_features) * 20
    norm = network.features[-1]
    norm.weight.data.fill_(0.7)
    norm.bias.data.fill_(-0.3)
    norm.running_mean.fill_(1.5)
    norm.running_var.fill_(33.0)
    return network


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "hostile"),
    [
        ("tfc_1w1a", False),
        ("tfc_1w1a", True),
        ("tfc_2w2a", False),
        pytest.param("tfc_2w2a", True, marks=SLOW),
        pytest.param("tfc_1w2a", False, marks=SLOW),
        pytest.param("tfc_1w2a", True, marks=SLOW),
        pytest.param("sfc_1w1a", True, marks=SLOW),
        pytest.param("lfc_1w1a", False, marks=SLOW),
        pytest.param("lfc_1w1a", True, marks=SLOW),
        *(
            pytest.param(f"{size}_{bits}", hostile, marks=SLOW)
            for size in ("sfc", "lfc")
            for bits in ("1w2a", "2w2a")
            for hostile in (False, True)
        ),
    ],
)
def test_bnn_pynq(tmp_path: Path, name: str, hostile: bool) -> None:
    seed = 3
    network = bnn_pynq(name, seed, hostile)
    path = tmp_path / f"{name}.onnx"
    export_qonnx(network, torch.zeros(1, 1, 28, 28), str(path))

    start = time.perf_counter()
    lowered = lower_model(path, LoweringConfig())
    assert time.perf_counter() - start < 60

    assert lowered.facts["lifted"] == [] and lowered.facts["remarks"] == []
    dataflow = lowered.dataflow
    if name.endswith("1a"):
        # 2x − 1 >= 0 in float32, not x >= 0.5: just below 0.5 the product still rounds below 1.
        assert isinstance(dataflow.input, ThresholdEncoding)
        assert np.array_equal(dataflow.input.threshold, np.full(784, np.float32(0.5)))
        assert all(m.invert is not None and m.invert.any() for m in dataflow.mvus[:-1])
    else:
        assert str(dataflow.input.stream.element) == "INT2"
        assert all(isinstance(mvu, IntegerMvu) for mvu in dataflow.mvus)
        quantisers = [node for node in dataflow.nodes if isinstance(node, MultiThreshold)]
        assert len(quantisers) == 3 and all(node.invert.any() for node in quantisers)
    assert all((mvu.magnitudes is not None) == ("2w" in name) for mvu in dataflow.mvus)
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (64, 1, 28, 28)).astype(np.float32)
    logits = dataflow.logits(x)
    assert np.array_equal(logits[:2], execute(path, x[:2]))
    assert np.array_equal(Emulator(dataflow, 1)(x), dataflow.run(x))
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    # torch computes a BatchNorm in another order than ONNX: where an accumulator meets the mean
    # exactly, the two round to different sides of 0, and the file is what we lower.
    if not hostile:
        assert np.array_equal(logits, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("name", ["tfc_1w2a", "tfc_2w2a"])
def test_hardware_of_tfc(tmp_path: Path, name: str, hostile: bool) -> None:
    network = bnn_pynq(name, 4, hostile)
    export_qonnx(network, torch.zeros(1, 1, 28, 28), str(tmp_path / "tfc.onnx"))
    lower(tmp_path / "tfc.onnx", LoweringConfig(), tmp_path / "dataflow")
    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl")
    x = np.random.default_rng(4).uniform(0, 1, (64, 1, 28, 28)).astype(np.float32)
    assert bnnedge.simulate(tmp_path / "rtl", inputs=x, stalls=0.3).images == 64


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("bits", ["1w1a", "1w2a", "2w2a"])
def test_cnv(tmp_path: Path, bits: str, hostile: bool) -> None:
    """8-bit signed pixels, six convolutions, pools behind the signs, three dense layers."""
    network = brevitas_cnv(hostile=hostile, bits=bits)
    path = tmp_path / "cnv.onnx"
    export_qonnx(network, torch.zeros(1, 3, 32, 32), str(path))

    lowered = lower_model(path, LoweringConfig(check_images=32))

    assert lowered.facts["lifted"] == [] and lowered.facts["remarks"] == []
    dataflow = lowered.dataflow
    assert str(dataflow.input.stream.element) == "INT8"
    x = np.random.default_rng(5).uniform(0, 1, (64, 3, 32, 32)).astype(np.float32)
    logits = dataflow.logits(x)
    assert np.array_equal(logits, execute(path, x).reshape(64, -1))
    assert np.array_equal(Emulator(dataflow, 1)(x), dataflow.run(x))
    assert all((mvu.magnitudes is not None) == ("2w" in bits) for mvu in dataflow.mvus)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    if not hostile:
        assert np.array_equal(logits, wanted)
