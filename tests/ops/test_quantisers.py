"""Binarising layers: values, gradients, and the same bits as Brevitas' own path."""

import pytest
import torch
from brevitas.nn import QuantIdentity

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod
from bnnedge.ops.quantisers import (
    BipolarActivation,
    BirealBinaryActivation,
    Sign,
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


def test_sign_equals_brevitas_bit_for_bit_in_value_and_gradient() -> None:
    reference = QuantIdentity(act_quant=BipolarActivation, return_quant_tensor=False)
    generator = torch.Generator().manual_seed(4)
    around_one = [1.0, 1.0000001, 0.99999994]
    edges = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, *around_one])
    values = torch.cat((edges, -edges, torch.randn(1000, generator=generator) * 2))
    incoming = torch.randn(len(values), generator=generator)
    results = []
    for layer in (Sign(), reference):
        x = values.clone().requires_grad_()
        out = layer(x)
        results.append((out.detach(), *torch.autograd.grad(out, x, incoming)))
    (ours, our_grad), (theirs, their_grad) = results
    assert torch.equal(ours, theirs)
    assert torch.equal(our_grad, their_grad)
