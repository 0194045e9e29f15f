"""The figures of docs/reference/zoo.md are those of the networks."""

import math
from pathlib import Path

import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold, ThresholdsEncoding
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.pretrained import ModelCard, available
from bnnedge.models.pretrained.cards import weights_path
from bnnedge.models.pretrained.load import load_card
from bnnedge.models.zoo import build_network
from bnnedge.recipe import Recipe

_ROOT = Path(__file__).parents[2]


def _rows(columns: int) -> list[list[str]]:
    """The rows of the page's tables of so many columns that are about a network."""
    lines = (_ROOT / "docs" / "reference" / "zoo.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == columns and row[0].startswith("`")]


_ROWS = {row[0].strip("`"): row for row in _rows(5)}
_EXAMPLES = {
    "conv": "conv_mnist",
    "conv1d": "vowels",
    "resnet": "resnet_fashion_mnist",
}
_SHAPES = {"conv1d": (12, 25)}
_INPUTS = {
    "one_bit_threshold": "1 bit",
    "quantile_thermometer": "{} bits",
    "uint8": "8-bit integers",
}


def test_every_named_network_is_listed() -> None:
    assert set(_ROWS) == {topology.value for topology in Topology} - {"mlp", "lutnet"}


@pytest.mark.parametrize("name", _ROWS)
def test_weights_and_macs(name: str) -> None:
    config = (
        Recipe.load(_EXAMPLES[name]).network
        if name in _EXAMPLES
        else NetworkConfig(topology=Topology(name))
    )
    dense = name in ("tfc", "sfc", "lfc")
    image = (1, 28, 28) if dense or name in ("lenet5", *_EXAMPLES) else (3, 32, 32)
    shape = _SHAPES.get(name, image)
    encoding = OneBitThreshold(threshold=64.0) if dense else IntegerEncoding()
    model = build_network(config, input_shape=shape, encoding=encoding, classes=10).eval()
    macs = []
    for layer in model.layers.values():
        layer.weights.register_forward_hook(
            lambda weights, _, sums: macs.append(weights.weight[0].numel() * math.prod(sums.shape))
        )
    model(torch.zeros(1, *shape))
    bits = sum(layer.weights.weight.numel() for layer in model.layers.values())
    assert _ROWS[name][2:4] == [f"{bits:,}", f"{sum(macs):,}"]


def test_every_trained_network_is_listed_with_its_card_s_figures() -> None:
    wanted = []
    for name in available():
        card = ModelCard.load(name)
        encoding = load_card(card).input_encoding
        levels = len(encoding.thresholds) if isinstance(encoding, ThresholdsEncoding) else 0
        wanted.append(
            [
                f"`{card.model['network']['topology']}`",
                card.dataset,
                _INPUTS[encoding.name].format(levels),
                f"{card.validation_accuracy:.2%}",
                f"{card.test_accuracy:.2%}",
                f"{weights_path(name).stat().st_size:,}",
            ]
        )
    assert sorted(_rows(6)) == sorted(wanted)
