"""The figures of docs/zoo.md are those of the networks."""

import math
from pathlib import Path

import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.recipe import Recipe

_ROOT = Path(__file__).parents[2]
_ROWS = {
    cells[0].strip("`"): cells
    for line in (_ROOT / "docs" / "zoo.md").read_text().splitlines()
    if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
    and cells[0].startswith("`")
}


def test_every_named_network_is_listed() -> None:
    assert set(_ROWS) == {topology.value for topology in Topology} - {"mlp"}


@pytest.mark.parametrize("name", _ROWS)
def test_weights_and_macs(name: str) -> None:
    config = (
        Recipe.load(_ROOT / "build_scripts" / "conv_mnist.toml").network
        if name == "conv"
        else NetworkConfig(topology=Topology(name))
    )
    dense = name in ("tfc", "sfc", "lfc")
    shape = (1, 28, 28) if dense or name in ("lenet5", "conv") else (3, 32, 32)
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
