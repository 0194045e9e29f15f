"""Quantising layers: values, gradients, and the same bits as Brevitas' own path."""

import pytest
import torch
from brevitas.nn import QuantIdentity

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod, ResidualConfig
from bnnedge.ops.quantisers import (
    BipolarActivation,
    BirealBinaryActivation,
    ResidualQuantiser,
    Sign,
    SignedInteger,
    StraightThroughBinaryActivation,
    activation_layer,
)

X = [-2.0, -1.5, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 1.5, 2.0]


def _gradient(layer: torch.nn.Module) -> list[float]:
    x = torch.tensor(X, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    return x.grad.tolist()


@pytest.mark.parametrize(
    "layer",
    [Sign(), BirealBinaryActivation(), StraightThroughBinaryActivation()],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("training", [True, False])
def test_activations_give_plus_one_at_both_zeros(layer: Sign, training: bool) -> None:
    layer.train(training)
    smallest = torch.finfo(torch.float32).smallest_normal
    x = torch.tensor([0.0, -0.0, smallest, -smallest, 3.0, -3.0])
    assert layer(x).tolist() == [1, 1, 1, -1, 1, -1]


def test_each_activation_has_its_own_gradient() -> None:
    assert _gradient(Sign()) == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]
    assert _gradient(BirealBinaryActivation()) == [0, 0, 0, 1, 2, 2, 1.5, 0, 0, 0]
    assert _gradient(StraightThroughBinaryActivation()) == [1] * 10
    clipped = StraightThroughBinaryActivation(clip=1.5)
    assert _gradient(clipped) == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_float_method_leaves_numbers_alone_and_may_clip_their_gradient() -> None:
    plain = StraightThroughBinaryActivation(ActivationMethod.FLOAT)
    clipped = StraightThroughBinaryActivation(ActivationMethod.FLOAT, clip=1.0)
    for layer in (plain, clipped):
        assert layer(torch.tensor(X)).tolist() == X
    assert _gradient(plain) == [1] * 10
    assert _gradient(clipped) == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0]


def test_mistakes_name_what_was_wanted() -> None:
    with pytest.raises(ConfigError, match="wanted method sign or float, got bireal"):
        StraightThroughBinaryActivation(ActivationMethod.BIREAL)
    with pytest.raises(ConfigError, match="wanted a clip above 0, got -1"):
        StraightThroughBinaryActivation(clip=-1)


def test_every_method_has_its_layer() -> None:
    kinds = {method: type(activation_layer(method)) for method in ActivationMethod}
    assert kinds == {
        ActivationMethod.NONE: type(None),
        ActivationMethod.FLOAT: type(None),
        ActivationMethod.SIGN: StraightThroughBinaryActivation,
        ActivationMethod.CLIPPED: Sign,
        ActivationMethod.BIREAL: BirealBinaryActivation,
    }


@pytest.mark.parametrize("training", [True, False])
def test_residual_integers_round_half_to_even_and_clamp(training: bool) -> None:
    layer = ResidualQuantiser(ResidualConfig(bits=3, scale=0.5)).train(training)
    x = torch.tensor([0.24, 0.25, 0.26, 0.75, -0.25, -0.3, 1.5, 1.75, 9.0, -2.0, -2.25, -1e30])
    assert layer(x).tolist() == [0, 0, 0.5, 1, 0, -0.5, 1.5, 1.5, 1.5, -2, -2, -2]


def _value_and_gradient(layer: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    leaf = x.clone().requires_grad_()
    out = layer(leaf)
    incoming = torch.randn(len(x), generator=torch.Generator().manual_seed(5))
    return out.detach(), *torch.autograd.grad(out, leaf, incoming)


def _assert_same(layer: torch.nn.Module, reference: torch.nn.Module, x: torch.Tensor) -> None:
    for ours, theirs in zip(
        _value_and_gradient(layer, x), _value_and_gradient(reference, x), strict=True
    ):
        assert torch.equal(ours, theirs)


@pytest.mark.smoke
def test_sign_equals_brevitas_bit_for_bit_in_value_and_gradient() -> None:
    reference = QuantIdentity(act_quant=BipolarActivation, return_quant_tensor=False)
    generator = torch.Generator().manual_seed(4)
    around_one = [1.0, 1.0000001, 0.99999994]
    edges = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, *around_one])
    values = torch.cat((edges, -edges, torch.randn(1000, generator=generator) * 2))
    _assert_same(Sign(), reference, values)


@pytest.mark.parametrize(("bits", "scale"), [(2, 1.0), (4, 0.5), (4, 8.0), (8, 2.0**-5)])
def test_residual_integers_equal_brevitas_bit_for_bit_in_value_and_gradient(
    bits: int, scale: float
) -> None:
    config = ResidualConfig(bits=bits, scale=scale)
    quantiser = SignedInteger.let(
        bit_width=bits, min_val=config.low * scale, max_val=config.high * scale
    )
    reference = QuantIdentity(act_quant=quantiser, return_quant_tensor=False)
    halves = torch.arange(2 * config.low - 4, 2 * config.high + 5) * scale / 2
    up, down = (halves.nextafter(torch.tensor(end)) for end in (torch.inf, -torch.inf))
    generator = torch.Generator().manual_seed(6)
    reals = torch.randn(1000, generator=generator) * config.high * scale
    edges = torch.tensor([torch.inf, -torch.inf, 1e-45, -0.0])
    _assert_same(ResidualQuantiser(config), reference, torch.cat((halves, up, down, reals, edges)))
