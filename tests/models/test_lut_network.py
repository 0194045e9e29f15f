"""Networks of tables: their streams, their votes, and what they refuse."""

import dataclasses

import numpy as np
import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold, QuantileThermometer
from bnnedge.errors import CheckpointError, ConfigError
from bnnedge.models.config import NetworkConfig, Neuron, Topology
from bnnedge.models.lut_network import LutNetwork
from bnnedge.models.pretrained.packing import pack, unpack_
from bnnedge.models.topologies import require_fit
from bnnedge.models.zoo import build_network
from bnnedge.ops import LutLayer, Sign, SparseLinear
from tests.models.networks import random_network

_BITS = OneBitThreshold(threshold=4.0)


def network(
    *hidden: int, fan_in: int | None = None, classes: int = 5, neuron: Neuron | None = None
) -> LutNetwork:
    config = NetworkConfig(topology=Topology.LUTNET, hidden=hidden, fan_in=fan_in, neuron=neuron)
    encoding = QuantileThermometer(levels=(3.0, 6.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build_network(config, input_shape=(1, 4, 4), encoding=encoding, classes=classes)
    assert isinstance(made, LutNetwork)
    return made


def test_the_class_of_most_votes_wins() -> None:
    model = network(30, 20).eval()
    x = torch.randint(0, 9, (40, 1, 4, 4)).float()
    streams = model.trace(x)
    assert [*streams] == ["encoding", "hidden.0", "hidden.1", "output.conv", "output.norm"]
    votes = streams["hidden.1"].reshape(40, 5, 4).sum(2)
    assert torch.equal(streams["output.conv"].flatten(1), votes)
    assert torch.equal(model(x).argmax(1), votes.argmax(1))
    assert model.layers["output"].reachable() == range(-4, 5, 2)


def test_training_moves_wires_and_tables_and_keeps_votes_alike() -> None:
    model = network(30, 20, fan_in=3).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.5)
    x, labels = torch.randint(0, 9, (40, 1, 4, 4)).float(), torch.randint(0, 5, (40,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.nn.functional.cross_entropy(model(x), labels).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    changed = {
        name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert {"hidden.0.wires", "hidden.0.tables", "hidden.1.wires", "hidden.1.tables"} <= changed
    assert "output.conv.weight" not in changed and (before["output.conv.weight"] == 1).all()


def test_dropout_leaves_votes_out() -> None:
    model = network(20).train()
    encoded = model.encoding(torch.randint(0, 9, (8, 1, 4, 4)).float())
    seen: list[torch.Tensor] = []
    model.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.classify(encoded, dropout=0.5)
    assert 0.2 < (seen[0] == 0).float().mean() < 0.8


def test_tables_have_four_inputs_unless_said() -> None:
    (first,), (own,) = network(20).hidden, network(20, fan_in=6).hidden
    assert isinstance(first, LutLayer) and isinstance(own, LutLayer)
    assert (first.fan_in, own.fan_in) == (4, 6)


def test_a_packed_network_is_the_same_to_the_last_bit() -> None:
    model = network(30, 20, fan_in=3).eval()
    arrays, again = pack(model), network(30, 20, fan_in=3)
    again.hidden[0].wires.data.zero_()
    unpack_(again, arrays, "test")
    x = torch.randint(0, 9, (40, 1, 4, 4)).float()
    assert torch.equal(again(x), model(x)) and not again.training
    assert arrays["hidden.0.wiring"].shape == (30, 3) and arrays["hidden.0.tables"].nbytes == 30
    for name, array in pack(again).items():
        assert array.tobytes() == arrays[name].tobytes(), name
    wrong = {**arrays, "hidden.1.wiring": arrays["hidden.1.wiring"] + np.int32(30)}
    with pytest.raises(CheckpointError, match="test: array hidden.1.wiring wanted 0 to 29, got "):
        unpack_(again, wrong, "test")


def test_neurons_may_be_sums_of_their_inputs() -> None:
    model = network(30, 20, fan_in=3, neuron=Neuron.SUM).eval()
    x = torch.randint(0, 9, (40, 1, 4, 4)).float()
    streams = model.trace(x)
    names = [f"hidden.{index}.{part}" for index in (0, 1) for part in ("linear", "sign")]
    assert [*streams] == ["encoding", *names, "output.conv", "output.norm"]
    assert set(streams["hidden.0.linear"].unique().tolist()) == {-3, -1, 1, 3}
    assert model.layers["hidden.1"].reachable() == range(-3, 4, 2)
    assert (model.probe_weights().abs() == 1).all() and model.probe_weights().shape == (30, 32)
    weights = model.layers["hidden.0"].weights
    assert isinstance(weights, SparseLinear) and weights.fan_in == 3
    taken = weights.bipolar_weight()
    assert torch.equal(model.probe_weights()[taken != 0], taken[taken != 0])
    assert isinstance(model.get_submodule("hidden.0.sign"), Sign)


def test_packed_sums_are_the_same_to_the_last_bit() -> None:
    config = NetworkConfig(topology=Topology.LUTNET, hidden=(30, 20), fan_in=3, neuron=Neuron.SUM)
    encoding = QuantileThermometer(levels=(3.0, 6.0))
    model = random_network(config, input_shape=(1, 4, 4), encoding=encoding, classes=5)
    arrays, again = pack(model), network(30, 20, fan_in=3, neuron=Neuron.SUM)
    unpack_(again, arrays, "test")
    x = torch.randint(0, 9, (40, 1, 4, 4)).float()
    assert torch.equal(again(x), model(x)) and not again.training
    assert (
        arrays["hidden.0.linear.wiring"].shape == (30, 3)
        and arrays["hidden.0.linear.weight"].nbytes == 12
    )
    for name, array in pack(again).items():
        assert array.tobytes() == arrays[name].tobytes(), name
    twice = np.repeat(arrays["hidden.1.linear.wiring"][:, :1], 3, axis=1)
    for wiring, what in (
        (arrays["hidden.1.linear.wiring"] + np.int32(30), "0 to 29"),
        (twice, "twice"),
    ):
        with pytest.raises(CheckpointError, match=f"test: array hidden.1.linear.wiring .*{what}"):
            unpack_(again, {**arrays, "hidden.1.linear.wiring": wiring}, "test")


def test_what_does_not_fit_is_refused() -> None:
    config = NetworkConfig(topology=Topology.LUTNET, hidden=(30, 21))
    with pytest.raises(ConfigError, match="wanted a multiple of 10, got 21"):
        require_fit(config, (1, 4, 4), _BITS, 10)
    with pytest.raises(ConfigError, match="lutnet takes bits, and got integers"):
        require_fit(config, (1, 4, 4), IntegerEncoding(), 7)
    require_fit(config, (1, 4, 4), _BITS, 7)
    sums = NetworkConfig(topology=Topology.LUTNET, hidden=(3, 21), neuron=Neuron.SUM)
    with pytest.raises(ConfigError, match="each input once: wanted fan_in of at most 3, got 4"):
        require_fit(sums, (1, 4, 4), _BITS, 7)
    require_fit(dataclasses.replace(sums, neuron=None), (1, 4, 4), _BITS, 7)
