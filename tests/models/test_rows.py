"""Networks of recipes on rows: what becomes of an input, and PyTorch == Dataflow."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import bnnedge
from bnnedge.data.encodings import (
    Encoding,
    FeatureThermometer,
    IntegerEncoding,
    OneBitThreshold,
    QuantileThermometer,
)
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ConfigError
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.exporter.reference import adversarial_inputs
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.models.checkpoint import load_checkpoint
from bnnedge.models.config import LayerConfig, NetworkConfig, PoolConfig, PoolKind, Topology
from bnnedge.models.topologies import layer_shapes, least_cycles, row_shape
from bnnedge.models.zoo import build_network
from tests.data.recipes import lower_trained, require_refused
from tests.models.networks import random_network

_SUM = PoolConfig(size=2, kind=PoolKind.AVERAGE)
_CONFIG = NetworkConfig(
    topology=Topology.CONV1D,
    layers=(
        LayerConfig(conv=6, kernel=5, padding=2, pool=PoolConfig(size=3, stride=2, padding=1)),
        LayerConfig(conv=5, kernel=2, stride=2, padding=1, pool=_SUM),
        LayerConfig(dense=8),
    ),
)
_EACH = FeatureThermometer(features=((9.0, 50.0), (120.5, 120.5), (1.0, 255.0)))

RECIPE = """
name = "waves"

[network]
topology = "conv1d"
layers = [{ conv = 8, kernel = 5, padding = 2, pool = { size = 2 } }, { dense = 16 }]

[data]
dataset = "npz"
file = "waves.npz"
encoding = "feature-thermometer"
levels = 3

[training]
epochs = 6
batch_size = 16
learning_rate = 0.02
"""


def test_an_input_is_channels_of_steps() -> None:
    assert [row_shape(shape) for shape in ((9,), (2, 9), (1, 4, 9), (3, 4, 9))] == [
        *((1, 9), (2, 9), (4, 9), (12, 9)),
    ]


def test_shapes_weights_and_cycles_are_those_of_one_axis() -> None:
    shapes = layer_shapes(_CONFIG, (3, 20), IntegerEncoding(), 4)
    assert [(s.sums, s.outputs) for s in shapes[:2]] == [((6, 20), (6, 10)), ((5, 6), (5, 3))]
    assert [shape.weights for shape in shapes] == [3 * 5 * 6, 6 * 2 * 5, 15 * 8, 8 * 4]
    assert least_cycles(shapes) == 20 * 5 and shapes[1].sums_added == 2
    model = build_network(_CONFIG, input_shape=(3, 20), encoding=IntegerEncoding(), classes=4)
    sizes = [layer.weights.weight.numel() for layer in model.layers.values()]
    assert sizes == [shape.weights for shape in shapes]


@pytest.mark.parametrize(
    ("shape", "encoding"),
    [
        ((3, 20), _EACH),
        ((2, 20), IntegerEncoding(bits=4)),
        pytest.param((24,), OneBitThreshold(threshold=99.0), marks=pytest.mark.slow),
        ((1, 4, 17), QuantileThermometer(levels=(50.5, 120.0, 200.0))),
    ],
)
def test_networks_equal_pytorch(shape: tuple[int, ...], encoding: Encoding, tmp_path: Path) -> None:
    model = random_network(_CONFIG, input_shape=shape, encoding=encoding, classes=3)
    onnx.save(to_qonnx(model), tmp_path / "model.onnx")
    dataflow = lower_model(tmp_path / "model.onnx", LoweringConfig(check_images=32)).dataflow
    assert (dataflow.input.input_shape, dataflow.input.name) == (shape, encoding.name)
    x = adversarial_inputs(
        input_shape=shape,
        encoding=encoding,
        input_range=(0, 255),
        first_weights=model.layers["hidden.0"].weights.bipolar_weight().numpy(),
    )
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    assert np.array_equal(dataflow.logits(x), wanted)


def test_extreme_inputs_reach_the_ends_of_every_feature() -> None:
    """The largest and the smallest sum of a dense first layer, each feature at its own steps."""
    encoding = FeatureThermometer(features=((1.0, 2.0), (10.0, 20.0)))
    weights = np.array([[1, 1, -1, -1], [1, -1, -1, 1]], np.float32)
    x = adversarial_inputs(
        input_shape=(2,), encoding=encoding, input_range=(0, 30), first_weights=weights
    )[-4:]
    sums = ((2.0 * encoding.bits(x) - 1) * np.tile(weights, (2, 1))).sum(1)
    assert sums.tolist() == [4, 2, -4, -2]


def _waves() -> dict[str, np.ndarray]:
    """Rows (2, 16): the phase between two channels of unlike scales is the class."""
    rng, steps = np.random.default_rng(3), np.arange(16)
    parts = {}
    for part, count in (("train", 160), ("test", 40)):
        labels = np.arange(count) % 2
        start = rng.uniform(0, 6, (count, 1))
        first = np.sin(steps / 2 + start)
        second = np.sin(steps / 2 + start + np.pi * labels[:, None])
        values = np.stack([128 + 100 * first, 20 + 8 * second], axis=1)
        parts |= {f"x_{part}": np.round(values).astype(np.uint8), f"y_{part}": labels}
    return parts


def test_a_recipe_is_trained_and_lowered(tmp_path: Path) -> None:
    """Thresholds are each channel's own, in the checkpoint and in the Dataflow."""
    waves = _waves()
    np.savez(tmp_path / "waves.npz", **waves)
    lower_trained(tmp_path, RECIPE, "waves")
    encoding = load_checkpoint(tmp_path / "train").model.input_encoding
    assert isinstance(encoding, FeatureThermometer)
    first, second = encoding.features
    assert min(first) > max(second)
    dataflow = Dataflow.load(tmp_path / "dataflow")
    assert dataflow.input.input_shape == (2, 16) and dataflow.input.output_shape == (1, 16, 6)
    assert dataflow.input.threshold.reshape(16, 2, 3)[5].tolist() == [list(first), list(second)]
    for array in ("x_test", "y_test"):
        np.save(tmp_path / f"{array}.npy", waves[array])
    inputs, labels = tmp_path / "x_test.npy", tmp_path / "y_test.npy"
    found = bnnedge.evaluate(tmp_path / "dataflow", inputs=inputs, labels=labels)
    assert found.images == 40 and found.accuracy > 0.7


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layers = ", "hidden = [4] #", "topology conv1d wants layers, e.g. layers = "),
        ("kernel = 5", "kernel = 40", "conv1d wants rows of at least .*, got 16: nothing is left"),
        ("levels = 3\n", "", "encoding feature-thermometer wants levels"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "waves.npz", **_waves())
    require_refused(tmp_path, RECIPE.replace(old, new), message)


def test_thermometers_of_other_features_are_refused() -> None:
    wanted = "conv1d takes inputs of 1 features, and got thermometers of 3 — one thermometer for"
    with pytest.raises(ConfigError, match=wanted):
        build_network(_CONFIG, input_shape=(24,), encoding=_EACH, classes=2)
