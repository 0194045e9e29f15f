"""The models that bnnedge itself exports: equal to PyTorch, at ties as everywhere."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bnnedge.data.encodings import (
    Encoding,
    FeatureThermometer,
    IntegerEncoding,
    OneBitThreshold,
    QuantileThermometer,
)
from bnnedge.dataflow import Dataflow
from bnnedge.errors import LoweringError
from bnnedge.exporter import export, onnx_model
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.lowering import LoweringConfig, lower, lower_model
from bnnedge.models.checkpoint import save_checkpoint
from bnnedge.models.config import (
    LayerConfig,
    NetworkConfig,
    PoolConfig,
    PoolKind,
    Precision,
    Topology,
)
from bnnedge.ops.config import PaddingMode, WeightScale
from tests.models.networks import random_mlp, random_network

_SUM = PoolConfig(size=3, stride=2, padding=1, kind=PoolKind.AVERAGE)
_LAYERS = (
    LayerConfig(conv=6, padding=1, pool=PoolConfig(size=3, stride=2, padding=1)),
    LayerConfig(conv=5, kernel=2, stride=2, padding=1),
    LayerConfig(dense=12),
)
_SUMS = (LayerConfig(conv=6, padding=1, pool=_SUM), LayerConfig(conv=7, kernel=1, pool=_SUM))
_SIZES = {Topology.NIN: (3, 11, 8), Topology.VGG_SMALL: (3, 8, 8), Topology.LENET5: (1, 16, 16)}


@pytest.mark.parametrize("thresholds", [(8.0,), (4.0, 8.0, 12.0)])
def test_equals_pytorch(tmp_path: Path, thresholds: tuple[float, ...]) -> None:
    model = random_mlp(input_shape=(4, 5), thresholds=thresholds, hidden=(33, 12), seed=1)
    path = tmp_path / "model.onnx"
    onnx.save(to_qonnx(model), path)

    lowered = lower_model(path, LoweringConfig())

    assert lowered.facts["lifted"] == [] and lowered.facts["remarks"] == []
    encoding = lowered.dataflow.input
    assert (encoding.name, encoding.input_shape) == (model.input_encoding.name, (4, 5))
    assert np.array_equal(encoding.threshold, np.tile(np.float32(thresholds), 20))
    x = np.random.default_rng(0).integers(0, 17, (200, 4, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    assert np.array_equal(lowered.dataflow.logits(x), wanted)
    classes = lower_model(path, LoweringConfig(classify=True)).dataflow.run(x)
    assert np.array_equal(classes, wanted.argmax(axis=1))


def _named(topology: Topology) -> NetworkConfig:
    return NetworkConfig(topology=topology)


def _stack(layers: tuple[LayerConfig, ...], padding: PaddingMode, scale: str) -> NetworkConfig:
    return NetworkConfig(
        topology=Topology.CONV, layers=layers, padding=padding, weight_scale=WeightScale(scale)
    )


_SLOW = pytest.mark.slow
_BIT = OneBitThreshold(threshold=99.0)
_LEVELS = QuantileThermometer(levels=(50.5, 120.0, 200.0))


@pytest.mark.parametrize(
    ("config", "encoding"),
    [
        pytest.param(_stack(_LAYERS, PaddingMode.ZERO, "sign"), IntegerEncoding(), marks=_SLOW),
        (_stack(_LAYERS, PaddingMode.ZERO, "sign"), _LEVELS),
        (_stack(_LAYERS, PaddingMode.PLUS_ONE, "channel"), _LEVELS),
        pytest.param(
            _stack(_LAYERS, PaddingMode.MINUS_ONE, "tensor"), IntegerEncoding(bits=4), marks=_SLOW
        ),
        pytest.param(_stack(_SUMS, PaddingMode.MINUS_ONE, "sign"), _BIT, marks=_SLOW),
        (_stack(_SUMS, PaddingMode.ZERO, "sign"), IntegerEncoding()),
        pytest.param(_named(Topology.LENET5), IntegerEncoding(), marks=_SLOW),
        pytest.param(_named(Topology.NIN), _BIT, marks=_SLOW),
        pytest.param(_named(Topology.VGG_SMALL), IntegerEncoding(), marks=_SLOW),
    ],
)
def test_images_equal_pytorch(tmp_path: Path, config: NetworkConfig, encoding: Encoding) -> None:
    shape = _SIZES.get(config.topology, (2, 9, 7))
    model = random_network(config, input_shape=shape, encoding=encoding, classes=3)
    path = tmp_path / "model.onnx"
    onnx.save(to_qonnx(model), path)

    lowered = lower_model(path, LoweringConfig(check_images=32))

    assert lowered.facts["lifted"] == [] and lowered.facts["remarks"] == []
    x = np.random.default_rng(0).integers(0, 256, (20, *shape)).astype(np.float32)
    x[10:] += np.random.default_rng(1).choice([-0.5, 0.5, 0.49], (10, *shape)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    assert np.array_equal(lowered.dataflow.logits(x), wanted)


@pytest.mark.parametrize("images_as", [(16,), (2, 9, 7)])
def test_an_exported_folder_brings_its_reference(
    tmp_path: Path, images_as: tuple[int, ...]
) -> None:
    if len(images_as) == 1:
        model = random_mlp()
    else:
        config = _stack(_SUMS, PaddingMode.ZERO, "sign")
        model = random_network(config, input_shape=images_as, encoding=IntegerEncoding())
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (40, *images_as)).astype(np.uint8)
    labels = rng.integers(0, 10, 40)
    save_checkpoint(checkpoint, model, {"input_range": [0, 16]}, images, labels)
    export(checkpoint, tmp_path / "export")

    artifact = lower(tmp_path / "export" / "model.onnx", LoweringConfig(), tmp_path / "dataflow")

    assert artifact.facts.checks["pytorch"].images > 40
    dataflow = Dataflow.load(tmp_path / "dataflow")
    with np.load(tmp_path / "export" / "reference.npz") as reference:
        inputs, logits = reference["inputs"], reference["logits"]
        assert np.array_equal(dataflow.accumulators(inputs), reference["accumulators"])
    assert np.array_equal(dataflow.logits(inputs), logits)


@pytest.mark.parametrize("topology", [Topology.MLP, Topology.LUTNET])
def test_selected_bits_are_the_whole_stream(tmp_path: Path, topology: Topology) -> None:
    dense = topology is Topology.MLP
    selected = (1, 5, 6, 8, 11, 20, 30, 31, 43)
    levels = QuantileThermometer(levels=(4.0, 9.0, 12.0), selected=selected)
    rows = FeatureThermometer(features=((4.0, 7.0), (9.0, 9.0), (1.0, 12.0)), selected=selected)
    model = random_network(
        NetworkConfig(topology=topology, hidden=(20, 10)),
        input_shape=(5, 3) if dense else (3, 2, 4),
        encoding=levels if dense else rows,
        classes=5,
    )
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    images = np.random.default_rng(0).integers(0, 17, (40, *model.input_shape)).astype(np.uint8)
    save_checkpoint(checkpoint, model, {"input_range": [0, 16]}, images, np.arange(40) % 5)
    export(checkpoint, tmp_path / "export")

    lower(tmp_path / "export" / "model.onnx", LoweringConfig(), tmp_path / "dataflow")

    dataflow = Dataflow.load(tmp_path / "dataflow")
    encoding, bits = dataflow.input, np.array(selected)
    assert encoding.name == model.input_encoding.name and encoding.output_shape == (9,)
    assert encoding.source.tolist() == (bits // (3 if dense else 2)).tolist()
    wanted = [4.0, 9.0, 12.0] * 15 if dense else ([4, 7] * 8 + [9, 9] * 8 + [1, 12] * 8)
    assert encoding.threshold.tolist() == np.array(wanted)[bits].tolist()
    assert np.array_equal(encoding.encode(images), model.input_encoding.bits(images))
    x = torch.from_numpy(images.astype(np.float32))
    with torch.no_grad():
        assert np.array_equal(dataflow.logits(images), model(x).numpy())
    with np.load(tmp_path / "export" / "reference.npz") as reference:
        assert np.array_equal(dataflow.logits(reference["inputs"]), reference["logits"])


@pytest.mark.parametrize(
    "topology",
    [
        Topology.LENET5,
        pytest.param(Topology.CNV, marks=_SLOW),
        pytest.param(Topology.NIN, marks=_SLOW),
        pytest.param(Topology.VGG_SMALL, marks=_SLOW),
    ],
)
def test_float_ends_are_refused(
    topology: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the exporter refuses them, here is what their graph would be."""
    model = random_network(
        NetworkConfig(topology=topology, first_last=Precision.FLOAT),
        input_shape=(1, 28, 28) if topology is Topology.LENET5 else (3, 32, 32),
        encoding=IntegerEncoding(),
    )
    monkeypatch.setattr(onnx_model, "_require_integers", lambda model: None)
    path = tmp_path / "model.onnx"
    onnx.save(to_qonnx(model), path)
    with pytest.raises(
        LoweringError,
        match=r"^2 obstacles: node hidden\.0\.conv \(Conv\): weights are not of few bits: output "
        r"channel 0 .*"
        r'BinaryConv2d.*first_last = "binary" in a recipe',
    ):
        lower_model(path, LoweringConfig())


@pytest.mark.slow
@pytest.mark.parametrize("topology", [Topology.RESNET18, Topology.RESNET20])
def test_residual_networks_of_real_numbers_are_refused(topology: Topology, tmp_path: Path) -> None:
    config = dataclasses.replace(_named(topology), residual_bits=0)
    model = random_network(config, input_shape=(3, 8, 8), encoding=IntegerEncoding())
    path = tmp_path / "model.onnx"
    onnx.save(to_qonnx(model), path)
    with pytest.raises(
        LoweringError,
        match=r"^node first\.norm\.add \(Add\), before node blocks\.0\.add.*residual_bits",
    ):
        lower(path, LoweringConfig(), tmp_path / "dataflow")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
