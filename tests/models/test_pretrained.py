"""Pretrained networks: packing is exact, cards are complete, damage is one line."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import bnnedge.models
from bnnedge.artifacts import sha256_of
from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold
from bnnedge.errors import CheckpointError, ConfigError
from bnnedge.models.checkpoint import load_checkpoint, save_checkpoint
from bnnedge.models.config import LayerConfig, NetworkConfig, Precision, Topology
from bnnedge.models.network import Network
from bnnedge.models.pretrained import ModelCard, available, load_pretrained
from bnnedge.models.pretrained.cards import FOLDER, weights_path
from bnnedge.models.pretrained.load import load_card
from bnnedge.models.pretrained.packing import pack, unpack_
from bnnedge.models.record import network_from_record, network_record
from bnnedge.ops.config import WeightScale
from bnnedge.recipe import Recipe
from bnnedge.records import to_json
from tests.models.networks import random_network

_LAYERS = (LayerConfig(conv=5), LayerConfig(dense=7))
_RECIPE = """
name = "mlp_digits"
[network]
topology = "mlp"
hidden = [12]
[data]
dataset = "digits"
encoding = "threshold"
threshold = 8.0
[training]
epochs = 1
batch_size = 10
learning_rate = 0.1
seed = 3
"""


def _again(model: Network) -> Network:
    copy = network_from_record(json.loads(json.dumps(network_record(model))), "test")
    unpack_(copy, pack(model), "test")
    return copy


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(topology=Topology.TFC),
        NetworkConfig(topology=Topology.CONV, layers=_LAYERS, weight_scale=WeightScale.CHANNEL),
        NetworkConfig(topology=Topology.CONV, layers=_LAYERS, weight_scale=WeightScale.TENSOR),
        NetworkConfig(topology=Topology.LENET5, first_last=Precision.FLOAT),
        NetworkConfig(topology=Topology.RESNET20),
        NetworkConfig(topology=Topology.CONV, layers=_LAYERS, weight_bits=2, activation_bits=3),
    ],
    ids=lambda config: f"{config.topology.value}-{config.weight_scale.value}-{config.weight_bits}",
)
def test_a_packed_network_is_the_same_to_the_last_bit(config: NetworkConfig) -> None:
    shape = (1, 16, 16)
    model = random_network(config, input_shape=shape, encoding=IntegerEncoding())
    weights = next(iter(model.layers.values())).weights.weight
    weights.data.view(-1)[:3] = torch.tensor([0.0, -0.0, 1.5])  # +1, +1, and clamped for a scale
    again = _again(model)
    assert not again.training
    x = torch.randint(0, 256, (5, *shape), generator=torch.Generator().manual_seed(0)).float()
    wanted, got = model.trace(x), again.trace(x)
    assert wanted.keys() == got.keys()
    for name, stream in wanted.items():
        assert torch.equal(stream, got[name]), name
    assert pack(again).keys() == pack(model).keys()
    for name, array in pack(model).items():
        assert array.tobytes() == pack(again)[name].tobytes(), name


@pytest.mark.parametrize("scale", [WeightScale.CHANNEL, WeightScale.TENSOR])
def test_the_scale_of_a_pretrained_network_survives_a_checkpoint(
    tmp_path: Path, scale: WeightScale
) -> None:
    config = NetworkConfig(topology=Topology.CONV, layers=_LAYERS, weight_scale=scale)
    model = _again(random_network(config, input_shape=(1, 16, 16), encoding=IntegerEncoding()))
    x = torch.randint(0, 256, (5, 1, 16, 16), generator=torch.Generator().manual_seed(0)).float()
    images, labels = np.zeros((1, 1, 16, 16), np.uint8), np.zeros(1, np.int64)
    save_checkpoint(tmp_path, model, {"input_range": [0, 255]}, images, labels)
    loaded = load_checkpoint(tmp_path).model
    assert torch.equal(loaded(x), model(x))
    layer = next(iter(loaded.train().layers.values())).weights
    assert layer.frozen_scale is None  # training goes on with α of the latent weights
    kept = next(iter(model.layers.values())).weights.frozen_scale
    assert torch.allclose(layer.weight_scale(), kept, rtol=1e-5)


def test_binary_weights_take_one_bit_each() -> None:
    config = NetworkConfig(topology=Topology.LFC)
    encoding = OneBitThreshold(threshold=64.0)
    model = random_network(config, input_shape=(1, 28, 28), encoding=encoding)
    arrays = pack(model)
    bits = sum(array.size * 8 for name, array in arrays.items() if array.dtype == np.uint8)
    assert bits == 784 * 1024 + 2 * 1024 * 1024 + 1024 * 10
    assert sum(array.nbytes for array in arrays.values()) < bits / 8 + 16 * (3 * 1024 + 1) + 1
    first = model.layers["hidden.0"].weights.bipolar_weight().numpy().reshape(-1)
    byte = int(arrays["hidden.0.linear.weight"][0])
    assert [2 * (byte >> bit & 1) - 1 for bit in range(8)] == first[:8].tolist()


def test_wrong_arrays_are_named() -> None:
    config = NetworkConfig(topology=Topology.MLP, hidden=(9,))
    model = random_network(config, input_shape=(7,), encoding=OneBitThreshold(threshold=1.0))
    arrays = pack(model)
    for change, message in (
        ({"stray": np.zeros(1)}, "array stray is not part of the network"),
        (
            {"hidden.0.norm.bias": np.zeros(8, np.float32)},
            r"bias wanted \(9,\) float32",
        ),
        (
            {"hidden.0.norm.running_mean": np.full(9, np.nan, np.float32)},
            r"running_mean of the BatchNorm hidden.0.norm\) holds NaN or infinity: 9 of 9",
        ),
        ({"hidden.0.linear.weight": np.zeros(8)}, r"weight wanted \(8,\) uint8, got .* float64"),
    ):
        with pytest.raises(CheckpointError, match=message):
            unpack_(model, {**arrays, **change}, "file")
    del arrays["output.linear.weight"]
    with pytest.raises(CheckpointError, match=r"file: array output.linear.weight is missing"):
        unpack_(model, arrays, "file")


def _checkpoint(folder: Path, recipe: Recipe, **metrics: float) -> Network:
    model = random_network(
        recipe.network, input_shape=(64,), encoding=OneBitThreshold(threshold=8.0), seed=5
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (60, 64)).astype(np.uint8)
    labels = rng.integers(0, 10, 60)
    with torch.no_grad():
        right = model(torch.from_numpy(images).float()).argmax(1).numpy() == labels
    record = {
        "input_range": [0, 16],
        "classes": list("0123456789"),
        "dataset": {"name": "digits", "sha256": "0" * 64},
        "config": {key: to_json(getattr(recipe, key)) for key in ("network", "data", "training")},
        "metrics": {"validation_accuracy": 0.5, "test_accuracy": right.mean(), **metrics},
    }
    folder.mkdir()
    save_checkpoint(folder, model, record, images, labels)
    return model


def test_a_checkpoint_becomes_a_pretrained_network(tmp_path: Path, script: ModuleType) -> None:
    path = tmp_path / "mlp_digits.toml"
    path.write_text(_RECIPE)
    model = _checkpoint(tmp_path / "checkpoint", Recipe.load(path))
    out = tmp_path / "out"
    out.mkdir()
    card = script.pack_model(tmp_path / "checkpoint", path, out)
    assert available(out) == ("mlp_digits",) and ModelCard.load("mlp_digits", out) == card
    assert (card.recipe, card.seed, card.dataset) == (_RECIPE, 3, "digits")
    assert len(card.commit) == 40 and card.test_images == 60
    loaded = load_pretrained("mlp", "digits", folder=out)
    x = torch.rand(30, 64) * 16
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    before = weights_path("mlp_digits", out).read_bytes()
    script.pack_model(tmp_path / "checkpoint", path, out)
    assert weights_path("mlp_digits", out).read_bytes() == before

    weights_path("mlp_digits", out).write_bytes(before[:-1] + b"?")
    with pytest.raises(CheckpointError, match="not the file that its card describes"):
        load_pretrained("mlp", "digits", folder=out)
    truncated = weights_path("mlp_digits", out)
    truncated.write_bytes(before[:100])
    with pytest.raises(CheckpointError, match=r"missing or damaged .*install bnnedge again"):
        load_card(replace(card, weights_sha256=sha256_of(truncated)), out)


def test_packing_refuses_what_does_not_belong_together(tmp_path: Path, script: ModuleType) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(_RECIPE)
    recipe = Recipe.load(path)
    _checkpoint(tmp_path / "boasting", recipe, test_accuracy=0.99)
    with pytest.raises(CheckpointError, match=r"of 60 are right, its record says 99.0000%"):
        script.pack_model(tmp_path / "boasting", path, tmp_path)
    _checkpoint(tmp_path / "honest", recipe)
    path.write_text(_RECIPE.replace("epochs = 1", "epochs = 2"))
    with pytest.raises(ConfigError, match=r"its \[training\] is not what the checkpoint was"):
        script.pack_model(tmp_path / "honest", path, tmp_path)
    path.write_text(_RECIPE.replace("mlp_digits", "best"))
    with pytest.raises(ConfigError, match="is called best, wanted mlp_digits"):
        script.pack_model(tmp_path / "honest", path, tmp_path)
    assert available(tmp_path) == ()


def test_every_topology_has_its_function_and_unknown_ones_list_what_there_is() -> None:
    for topology in Topology:
        if topology is not Topology.MLP:
            function = getattr(bnnedge.models, topology.value.replace("-", "_"))
            with pytest.raises(ConfigError, match="no pretrained network .*_nothing, there are: "):
                function(pretrained="nothing")


def test_shipped_networks_load_and_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 3 * 2**20
    assert sorted(path.stem for path in FOLDER.glob("*.npz")) == list(available())
    for name in available():
        card = ModelCard.load(name)
        model = load_card(card)
        with torch.no_grad():
            logits = model(torch.zeros(2, *model.input_shape))
        assert logits.shape == (2, len(card.classes))
        assert 0.5 < card.test_accuracy <= 1 and card.seed >= 0


def test_a_shipped_network_was_trained_with_the_recipe_on_its_card(tmp_path: Path) -> None:
    for name in available():
        card = ModelCard.load(name)
        path = tmp_path / f"{name}.toml"
        path.write_text(card.recipe)
        recipe = Recipe.load(path)
        assert (recipe.name, recipe.training.seed) == (name, card.seed)
        assert recipe.network == load_card(card).config
        assert recipe.data.dataset.value == card.dataset
