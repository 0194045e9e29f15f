"""Networks: shapes, integers inside, dropout only in training."""

import itertools

import pytest
import torch

from bnnedge.data.encodings import OneBitThreshold
from bnnedge.errors import ConfigError
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from tests.models.networks import random_mlp


@pytest.mark.parametrize(
    ("topology", "widths"),
    [("tfc", (64, 64, 64)), ("sfc", (256, 256, 256)), ("lfc", (1024, 1024, 1024))],
)
def test_named_topologies_have_their_published_widths(
    topology: str, widths: tuple[int, ...]
) -> None:
    model = build_network(
        NetworkConfig(topology=Topology(topology)),
        input_shape=(1, 28, 28),
        encoding=OneBitThreshold(threshold=127.5),
        classes=10,
    )
    shapes = [tuple(layer.weights.weight.shape) for layer in model.layers.values()]
    sizes = [784, *widths, 10]
    assert shapes == [(after, before) for before, after in itertools.pairwise(sizes)]


def test_config_errors_say_what_was_wanted() -> None:
    with pytest.raises(ConfigError, match="mlp wants hidden"):
        NetworkConfig(topology=Topology.MLP)
    with pytest.raises(ConfigError, match="tfc has fixed layers"):
        NetworkConfig(topology=Topology.TFC, hidden=(64,))
    with pytest.raises(ConfigError, match=r"widths in 1…65536, got \[64, 0\]"):
        NetworkConfig(topology=Topology.MLP, hidden=(64, 0))


def test_trace_holds_bits_and_integers_and_ends_in_the_forward_pass() -> None:
    model = random_mlp(input_shape=(1, 4, 4))
    x = torch.randint(0, 17, (50, 1, 4, 4), generator=torch.Generator().manual_seed(1)).float()
    streams = model.trace(x)
    assert list(streams) == [
        "encoding",
        *("hidden.0.linear", "hidden.0.sign", "hidden.1.linear", "hidden.1.sign"),
        *("output.linear", "output.norm"),
    ]
    assert streams["encoding"].shape == (50, 48)
    for name, stream in streams.items():
        if name.endswith(("sign", "encoding")):
            assert set(stream.unique().tolist()) == {-1, 1}
        if name.endswith("linear"):
            assert torch.equal(stream, stream.round())
    with torch.no_grad():
        assert torch.equal(streams["output.norm"], model(x))
        assert torch.equal(model.classify(streams["encoding"]), model(x))
    assert torch.equal(
        streams["output.norm"].argmax(1), streams["output.linear"].argmax(1)
    )  # the scalar affine keeps the winner, ties included


def test_dropout_acts_in_training_only() -> None:
    model = random_mlp()
    bits = torch.ones(8, 48)
    with torch.no_grad():
        assert torch.equal(model.classify(bits, dropout=0.5), model.classify(bits))
        model.train()
        assert not torch.equal(model.classify(bits, dropout=0.5), model.classify(bits))
