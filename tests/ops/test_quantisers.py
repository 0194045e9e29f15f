"""±1 quantisers: values at zero, gradients, latent clamping."""

import torch

from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.quantisers import Sign


def test_sign_of_both_zeros_is_plus_one() -> None:
    smallest = torch.finfo(torch.float32).smallest_normal
    x = torch.tensor([0.0, -0.0, smallest, -smallest, 3.0, -3.0])
    assert Sign()(x).tolist() == [1, 1, 1, -1, 1, -1]


def test_sign_gradient_is_that_of_hard_tanh() -> None:
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    Sign()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_binary_linear_uses_the_sign_of_its_latent_weights() -> None:
    layer = BinaryLinear(3, 2)
    layer.weight.data = torch.tensor([[0.3, -0.0, -0.2], [-1.0, 1.0, 0.0]])
    assert layer.bipolar_weight().tolist() == [[1, 1, -1], [-1, 1, 1]]
    assert layer(torch.tensor([[1.0, -1.0, -1.0]])).tolist() == [[1, -3]]


def test_latent_weights_start_spread_and_are_clamped_to_one() -> None:
    torch.manual_seed(0)
    layer = BinaryLinear(64, 64)
    assert layer.weight.abs().max() <= 1 and layer.weight.std() > 0.5
    layer.weight.data[0, 0] = 7.0
    layer.weight.data[0, 1] = -7.0
    layer(torch.ones(1, 64))
    assert layer.weight[0, :2].tolist() == [1, -1]


def test_weight_gradient_passes_straight_through() -> None:
    layer = BinaryLinear(2, 1)
    layer(torch.tensor([[1.0, -1.0]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[1, -1]]
