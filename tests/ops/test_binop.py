"""BinOp: the life cycle of a step, its gradient, and which layers it touches."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bnnedge.errors import ConfigError
from bnnedge.ops.binop import (
    BinOp,
    GradientFactor,
    inner_convolutions,
    inner_layers,
    latent_gradient,
)
from bnnedge.ops.exact import mean_of_rows
from bnnedge.ops.linear import BinaryLinear


def _network(seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),  # depthwise: one input channel
        nn.ReLU(),
        nn.Conv2d(6, 3, 1),
        nn.Flatten(),
        nn.Linear(3 * 36, 8),
        nn.ReLU(),
        nn.Linear(8, 2),
    )


def _latent(weight: Tensor) -> Tensor:
    if weight.shape[1] > 1:
        rows = weight.movedim(1, -1)
        mean = mean_of_rows(rows.reshape(-1, weight.shape[1])).reshape(rows.shape[:-1])
        weight = weight - mean.unsqueeze(1)
    return weight.clamp(-1, 1)


def _binary(latent: Tensor) -> Tensor:
    alpha = mean_of_rows(latent.abs().flatten(1)).reshape(-1, *(1,) * (latent.dim() - 1))
    return torch.where(latent >= 0, alpha, -alpha)


def _written(latent: Tensor, g: Tensor) -> Tensor:
    """The formula, weight by weight, in float64."""
    out = torch.zeros_like(latent)
    for filter_, g_filter, into in zip(latent, g, out, strict=True):
        w, gf, o = filter_.flatten(), g_filter.flatten(), into.view(-1)
        signs = [1.0 if value >= 0 else -1.0 for value in w.tolist()]
        alpha = sum(abs(value) for value in w.tolist()) / len(w)
        total = sum(a * b for a, b in zip(gf.tolist(), signs, strict=True))
        for i in range(len(w)):
            o[i] = signs[i] * total / len(w) + (alpha * gf[i] if abs(w[i]) <= 1 else 0.0)
    return out


def test_by_default_all_convolutions_but_the_first_and_the_last() -> None:
    network = _network()
    assert BinOp(network).layers == (network[2], network[4])
    assert inner_convolutions(network) == [network[2], network[4]]
    assert inner_layers(network) == [network[2], network[4], network[6], network[8]]


@pytest.mark.parametrize("select", [inner_convolutions, inner_layers])
def test_life_cycle(select: Callable[[nn.Module], list]) -> None:
    network = _network().double()
    layers = select(network)
    layers[0].weight.data[0, :, 0, 0] = 0.3  # centred: exact zeros
    start = [layer.weight.detach().clone() for layer in layers]
    untouched = {
        name: value.clone()
        for name, value in network.named_parameters()
        if not any(value is layer.weight for layer in layers)
    }
    operation = BinOp(network, layers=layers)

    operation.binarize()
    for layer, weight in zip(layers, start, strict=True):
        assert torch.allclose(layer.weight, _binary(_latent(weight)), rtol=1e-12)
        assert torch.count_nonzero(layer.weight) == layer.weight.numel()
    x = torch.randn(3, 1, 6, 6, dtype=torch.float64)
    network(x).square().sum().backward()
    raw = [layer.weight.grad.clone() for layer in layers]
    operation.restore()
    for layer, weight in zip(layers, start, strict=True):
        assert torch.equal(layer.weight, _latent(weight))
    operation.update_gradients()
    for layer, weight, g in zip(layers, start, raw, strict=True):
        assert torch.allclose(
            layer.weight.grad, _written(_latent(weight), g), rtol=1e-9, atol=1e-12
        )
    for name, value in network.named_parameters():
        if name in untouched:
            assert torch.equal(value, untouched[name])


def test_gradient_is_the_derivative_of_the_stated_surrogate() -> None:
    """Of α(w) · sign(w⁰) + α(w⁰) · clip(w, −1, 1) at w⁰, with weights beyond ±1 too."""
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(4, 3, 2, 2, dtype=torch.float64, generator=generator) * 1.2
    start = torch.where((start.abs() < 1e-3) | ((start.abs() - 1).abs() < 1e-3), 0.4, start)
    assert (start.abs() > 1).any()
    g = torch.randn(start.shape, dtype=torch.float64, generator=generator)
    signs, step = start.sign(), 1e-6

    def alpha(weight: Tensor) -> Tensor:
        return weight.abs().mean((1, 2, 3), keepdim=True)

    def surrogate(weight: Tensor) -> Tensor:
        return (g * (alpha(weight) * signs + alpha(start) * weight.clamp(-1, 1))).sum()

    differences = torch.zeros_like(start)
    for index in range(start.numel()):
        nudge = torch.zeros_like(start)
        nudge.view(-1)[index] = step
        slope = (surrogate(start + nudge) - surrogate(start - nudge)) / (2 * step)
        differences.view(-1)[index] = slope
    assert torch.allclose(latent_gradient(start, g), differences, rtol=0, atol=1e-8)


def test_one_weight_beyond_one_masks_itself_and_not_its_filter() -> None:
    weight = torch.tensor([[0.5, -3.0, 1.0, -0.5]])
    grad = latent_gradient(weight, torch.tensor([[4.0, 4.0, 0.0, 0.0]]))
    assert grad.tolist() == [[5.0, 0.0, 0.0, 0.0]]  # Σ g·s = 0, α = 1.25


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.05),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_step_is_the_life_cycle_and_learns_with_any_optimizer(
    make: Callable[..., torch.optim.Optimizer],
) -> None:
    by_hand, helped = _network(), _network()
    x = torch.randn(32, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    y = (x.mean((1, 2, 3)) > 0).long()
    losses = []
    optimizers = [make(network.parameters()) for network in (by_hand, helped)]
    operations = [BinOp(network) for network in (by_hand, helped)]
    for _ in range(40):
        for optimizer in optimizers:
            optimizer.zero_grad()
        operations[0].binarize()
        nn.functional.cross_entropy(by_hand(x), y).backward()
        operations[0].restore()
        operations[0].update_gradients()
        with operations[1].training_step():
            loss = nn.functional.cross_entropy(helped(x), y)
            loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    for a, b in zip(by_hand.parameters(), helped.parameters(), strict=True):
        assert torch.equal(a, b)
    assert losses[-1] < 0.5 * losses[0]


def test_evaluation_leaves_the_weights_bit_for_bit() -> None:
    network = _network()
    network[2].weight.data.mul_(9)  # outside ±1, off centre
    before = copy.deepcopy(network.state_dict())
    operation = BinOp(network.eval())
    x = torch.randn(2, 1, 6, 6)
    with torch.no_grad(), operation.evaluation():
        assert torch.equal(network[2].weight, _binary(_latent(before["2.weight"])))
        evaluated = network(x)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    operation.binarize()
    with torch.no_grad():
        assert torch.equal(network(x), evaluated)


def test_an_exception_puts_the_latent_weights_back() -> None:
    network = _network()
    operation = BinOp(network)
    for context in (operation.training_step, operation.evaluation):
        with pytest.raises(RuntimeError, match="interrupted"), context():
            raise RuntimeError("interrupted")
        assert network[2].weight.unique().numel() > 12
        with operation.evaluation():
            pass


def test_a_filter_with_one_input_channel_keeps_its_weights_and_its_gradient() -> None:
    network = _network()
    operation = BinOp(network)
    before = network[4].weight.detach().clone()
    with operation.training_step():
        network(torch.randn(2, 1, 6, 6)).sum().backward()
    assert torch.equal(network[4].weight, before.clamp(-1, 1))
    assert network[4].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("factor", "multiplier"),
    [
        (GradientFactor.ONE, 1.0),
        (GradientFactor.CENTRED, (1 - 1 / 4) * 36),
        (GradientFactor.CENTRED_1E9, (1 - 1 / 4) * 36 * 1e9),
    ],
)
def test_historical_factors_multiply_the_gradient(
    factor: GradientFactor, multiplier: float
) -> None:
    gradients = []
    for chosen in (GradientFactor.ONE, factor):
        network = _network().double()
        with BinOp(network, factor=chosen).training_step():
            network(torch.ones(2, 1, 6, 6, dtype=torch.float64)).sum().backward()
        gradients.append((network[2].weight.grad, network[4].weight.grad))
    (plain, depthwise), (scaled, silenced) = gradients
    assert torch.allclose(scaled, plain * multiplier, rtol=1e-12)
    if factor is not GradientFactor.ONE:
        assert depthwise.abs().sum() > 0 and torch.count_nonzero(silenced) == 0


def test_frozen_weights_without_a_gradient_are_passed_over() -> None:
    network = _network()
    network[2].weight.requires_grad_(False)
    with BinOp(network).training_step():
        network(torch.randn(2, 1, 6, 6)).sum().backward()
    assert network[2].weight.grad is None and network[4].weight.grad is not None


def test_steps_out_of_order_are_refused() -> None:
    operation = BinOp(_network())
    with pytest.raises(ConfigError, match="restore while the weights are latent"):
        operation.restore()
    operation.binarize()
    with pytest.raises(ConfigError, match="binarize while the weights are binarised"):
        operation.binarize()
    with pytest.raises(ConfigError, match="update_gradients while the weights are binarised"):
        operation.update_gradients()


def _step(operation: BinOp, network: nn.Module) -> None:
    with operation.training_step():
        network(torch.ones(2, 1, 6, 6)).square().sum().backward()


def test_gradients_are_converted_once() -> None:
    network = _network()
    operation = BinOp(network)
    _step(operation, network)
    kept = network[2].weight.grad.clone()
    with pytest.raises(ConfigError, match="which it is called for once, got none since the last"):
        operation.update_gradients()
    with pytest.raises(ConfigError, match="wanted cleared gradients.*zero_grad once a step"):
        _step(operation, network)
    assert torch.equal(network[2].weight.grad, kept)
    with operation.training_step():
        pass
    with operation.evaluation():
        pass
    assert torch.equal(network[2].weight.grad, kept)


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_gradients_may_be_cleared_anywhere_in_front_of_backward(
    to_none: bool, inside: bool
) -> None:
    network = _network()
    operation = BinOp(network)
    for _ in range(3):
        if not inside:
            network.zero_grad(set_to_none=to_none)
        with operation.training_step():
            if inside:
                network.zero_grad(set_to_none=to_none)
            network(torch.ones(2, 1, 6, 6)).square().sum().backward()
        found = network[2].weight.grad.clone()
    fresh = _network()
    fresh.load_state_dict(network.state_dict())
    _step(BinOp(fresh), fresh)
    assert torch.equal(found, fresh[2].weight.grad)


def test_batches_add_up_inside_one_step() -> None:
    network, alone = _network().double(), _network().double()
    batches = torch.randn(3, 2, 1, 6, 6, dtype=torch.float64)
    network[3].eval(), alone[3].eval()
    with BinOp(network).training_step():
        for batch in batches:
            network(batch).square().sum().backward()
    with BinOp(alone).training_step():
        sum(alone(batch).square().sum() for batch in batches).backward()
    assert torch.allclose(network[2].weight.grad, alone[2].weight.grad, rtol=1e-9)


def test_layers_that_do_not_fit_are_refused() -> None:
    small = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 1))
    with pytest.raises(ConfigError, match="wanted at least one layer, got none"):
        BinOp(small)
    assert len(BinOp(small, layers=[small[0]]).layers) == 1
    with pytest.raises(ConfigError, match="got some twice"):
        BinOp(small, layers=[small[0], small[0]])
    with pytest.raises(ConfigError, match="wanted float Conv2d or Linear layers, got BinaryLinear"):
        BinOp(small, layers=[BinaryLinear(2, 2)])
    with pytest.raises(ConfigError, match="wanted float Conv2d or Linear layers, got ReLU"):
        BinOp(small, layers=[nn.ReLU()])  # type: ignore[list-item]
