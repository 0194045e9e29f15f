"""Tables: their values, and their gradients against the written formulas."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops import LutLayer
from bnnedge.ops.lut_layer import LookedUp


def signs(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, shape, generator=generator) * 2.0 - 1.0


def layer(inputs: int, tables: int, fan_in: int, seed: int = 0) -> LutLayer:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LutLayer(inputs, tables, fan_in)


def index_of(chosen: list[float]) -> int:
    return sum(1 << place for place, value in enumerate(chosen) if value > 0)


@pytest.mark.parametrize("fan_in", [1, 2, 4, 6, 8])
def test_tables_are_looked_up(fan_in: int) -> None:
    model, x = layer(5, 7, fan_in).eval(), signs(20, 5)
    wiring, contents = model.wiring(), model.contents()
    out = model(x)
    for image in range(20):
        for table in range(7):
            entry = index_of(x[image, wiring[table]].tolist())
            assert out[image, table] == contents[table, entry] == (contents[table, entry]).sign()


def test_the_first_of_equally_heavy_wires_is_taken() -> None:
    model = layer(4, 1, 2)
    model.wires.data.zero_()
    model.wires.data[1, 2:] = 1.0
    assert model.wiring().tolist() == [[0, 2]]


@pytest.mark.parametrize("fan_in", [1, 3, 6])
def test_gradients_are_the_written_formulas(fan_in: int) -> None:
    inputs, tables, images = 5, 4, 9
    model = layer(inputs, tables, fan_in)
    x, grad = signs(images, inputs).requires_grad_(), torch.randn(images, tables)
    model.wires.data[fan_in] = model.wires.data[0]  # two wires of one choice
    LookedUp.apply(x, model.wires, model.tables).backward(grad)  # type: ignore[no-untyped-call]

    wiring, contents = model.wiring(), model.tables.detach()
    d_x, d_wires = torch.zeros_like(x), torch.zeros_like(model.wires)
    d_tables = torch.zeros_like(contents)
    for image in range(images):
        for table in range(tables):
            entry = index_of(x[image, wiring[table]].tolist())
            d_tables[table, entry] += grad[image, table]
            for place in range(fan_in):
                with_bit, without = entry | 1 << place, entry & ~(1 << place)
                slope = (contents[table, with_bit] - contents[table, without]) / 2
                own = grad[image, table] * slope
                d_x[image, wiring[table, place]] += own
                d_wires[table * fan_in + place] += own * x[image].detach()
    assert x.grad is not None and model.wires.grad is not None and model.tables.grad is not None
    torch.testing.assert_close(x.grad, d_x)
    torch.testing.assert_close(model.wires.grad, d_wires)
    torch.testing.assert_close(model.tables.grad, d_tables)


def test_slopes_are_those_between_the_two_values_of_an_input() -> None:
    """Where an input changes alone, an output of latent entries changes by twice its slope."""
    model = layer(3, 2, 3)
    x = signs(1, 3).requires_grad_()
    model.wires.data = torch.eye(3).repeat(2, 1)
    out = LookedUp.apply(x, model.wires, model.tables)  # type: ignore[no-untyped-call]
    out[:, 1].sum().backward()
    entry = index_of(x[0].tolist())
    for place in range(3):
        both = model.tables[1, entry | 1 << place] - model.tables[1, entry & ~(1 << place)]
        assert x.grad is not None
        assert x.grad[0, place].item() == pytest.approx(both.item() / 2)


def test_an_input_without_a_gradient_gets_none() -> None:
    model = layer(4, 3, 2).train()
    model(signs(6, 4)).sum().backward()
    assert model.wires.grad is not None and model.tables.grad is not None


def test_training_keeps_entries_in_range_and_evaluation_changes_nothing() -> None:
    model = layer(4, 3, 2)
    model.tables.data *= 5
    before = copy.deepcopy(model.state_dict())
    wanted = model.eval()(signs(8, 4))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model.train()(signs(8, 4)), wanted)
    assert model.tables.abs().max() <= 1


def test_training_learns_wiring_and_tables() -> None:
    """The majority of three of thirty inputs."""
    model = layer(30, 41, 4, seed=3)
    x = signs(400, 30, seed=1)
    wanted = (x[:, 2] + x[:, 11] + x[:, 23]).sign()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(120):
        loss = functional.softplus(-8 * model.train()(x).mean(1) * wanted).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model.eval()(x).mean(1).sign() == wanted).float().mean() > 0.95


def test_what_does_not_fit_is_refused() -> None:
    for sizes in ((0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 9)):
        with pytest.raises(ConfigError, match="LutLayer: wanted sizes of at least 1 and 1 to 8"):
            LutLayer(*sizes)
    with pytest.raises(ConfigError, match=r"LutLayer: wanted \(N, 4\), got \(2, 5\)"):
        layer(4, 3, 2)(signs(2, 5))
