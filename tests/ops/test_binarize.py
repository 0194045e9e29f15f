"""Binarize: values and gradients of every mode, against the formulas and against differences."""

import math

import pytest
import torch
from torch import Tensor

from bnnedge.ops.binarize import Binarize, weight_scale
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, WeightScale
from bnnedge.ops.surrogates import sign

SCALED = (WeightScale.TENSOR, WeightScale.CHANNEL, WeightScale.BIREAL)


def _weights(shape: tuple[int, ...] = (5, 3, 3, 2)) -> Tensor:
    """float64 weights on both sides of ±1, with exact zeros, ±1 and a row of equals."""
    weight = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    flat = weight.reshape(len(weight), -1)
    flat[0, :4] = torch.tensor([0.0, -0.0, 1.0, -1.0], dtype=torch.float64)
    flat[1] = -0.25
    flat[2] = 0.0
    return weight


def _alpha(weight: Tensor, mode: WeightScale) -> Tensor:
    magnitudes = weight.abs().flatten(1)
    if mode is WeightScale.TENSOR:
        return magnitudes.mean().expand(len(weight), 1, 1, 1)
    return magnitudes.mean(1).reshape(-1, 1, 1, 1)


def _written_gradient(weight: Tensor, g: Tensor, mode: WeightScale) -> Tensor:
    """The formulas, weight by weight."""
    inside = (weight.abs() <= 1).double()
    signs = torch.where(weight >= 0, 1.0, -1.0).double()
    if mode is WeightScale.OFF:
        return g
    if mode is WeightScale.SIGN:
        return g * inside
    out = _alpha(weight, mode) * g * inside
    if mode is WeightScale.CHANNEL:
        n = weight[0].numel()
        for channel in range(len(weight)):
            total = sum(
                float(a * b)
                for a, b in zip(g[channel].flatten(), signs[channel].flatten(), strict=True)
            )
            out[channel] += signs[channel] * total / n
    return out


def _binarize(mode: WeightScale, method: ActivationMethod = ActivationMethod.NONE) -> Binarize:
    return Binarize(BinarizeConfig(activation=method, weight_scale=mode))


@pytest.mark.parametrize("mode", WeightScale)
def test_weights_are_what_the_mode_says(mode: WeightScale) -> None:
    weight = _weights()
    _, binary = _binarize(mode)(torch.zeros(1), weight)
    signs = torch.where(weight >= 0, 1.0, -1.0).double()
    if mode is WeightScale.OFF:
        wanted = weight
    elif mode is WeightScale.SIGN:
        wanted = signs
    else:
        wanted = _alpha(weight, mode) * signs
    assert torch.allclose(binary, wanted, rtol=1e-14, atol=0)


@pytest.mark.parametrize("mode", WeightScale)
@pytest.mark.parametrize("shape", [(5, 3, 3, 2), (4, 1, 3, 3)], ids=["full", "depthwise"])
def test_weight_gradient_is_the_written_formula(
    mode: WeightScale, shape: tuple[int, int, int, int]
) -> None:
    weight = _weights(shape).requires_grad_()
    g = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    kept = g.clone()
    _, binary = _binarize(mode)(torch.zeros(1), weight)
    (grad,) = torch.autograd.grad(binary, weight, g)
    assert torch.allclose(grad, _written_gradient(weight.detach(), g, mode), rtol=1e-12, atol=1e-15)
    assert torch.equal(g, kept)
    assert grad.abs().sum() > 0


@pytest.mark.parametrize("mode", [m for m in WeightScale if m is not WeightScale.OFF])
def test_weight_gradient_is_the_derivative_of_the_stated_surrogate(mode: WeightScale) -> None:
    """Of α(w) · sign(w⁰) + α(w⁰) · clip(w); only CHANNEL has the first term's derivative."""
    start = _weights()
    step = 1e-6
    # Finite differences need distance from the kinks of |w| and of the clip.
    start = torch.where((start.abs() < 1e-3) | ((start.abs() - 1).abs() < 1e-3), 0.37, start)
    g = torch.randn(start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    scaled = mode in SCALED
    alpha = _alpha(start, mode) if scaled else torch.ones(1, dtype=torch.float64)

    def surrogate(weight: Tensor) -> Tensor:
        moving = _alpha(weight, mode) if mode is WeightScale.CHANNEL else alpha
        return (g * (moving * sign(start) + alpha * weight.clamp(-1, 1))).sum()

    differences = torch.zeros_like(start)
    for index in range(start.numel()):
        nudge = torch.zeros_like(start)
        nudge.view(-1)[index] = step
        slope = (surrogate(start + nudge) - surrogate(start - nudge)) / (2 * step)
        differences.view(-1)[index] = slope
    weight = start.clone().requires_grad_()
    _, binary = _binarize(mode)(torch.zeros(1), weight)
    (grad,) = torch.autograd.grad(binary, weight, g)
    assert torch.allclose(grad, differences, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", ActivationMethod)
@pytest.mark.parametrize("mode", WeightScale)
def test_activation_method_and_weight_scale_do_not_touch_each_other(
    method: ActivationMethod, mode: WeightScale
) -> None:
    x = torch.tensor([-1.2, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.2], requires_grad=True)
    weight = _weights().float().requires_grad_()
    bits, binary = _binarize(mode, method)(x, weight)
    real = method in (ActivationMethod.NONE, ActivationMethod.FLOAT)
    assert bits.tolist() == (x.tolist() if real else [-1, -1, -1, 1, 1, 1, 1, 1])
    (grad,) = torch.autograd.grad(bits.sum(), x)
    clipped = [0, 1, 1, 1, 1, 1, 1, 0]
    wanted = {ActivationMethod.CLIPPED: clipped, ActivationMethod.BIREAL: [0, 0, 1, 2, 2, 1, 0, 0]}
    assert grad.tolist() == wanted.get(method, [1] * 8)
    _, alone = _binarize(mode)(x, weight)
    assert torch.equal(binary, alone)


@pytest.mark.parametrize("mode", WeightScale)
def test_nothing_is_changed_in_place(mode: WeightScale) -> None:
    weight = _weights().float().mul_(3).requires_grad_()
    before = weight.detach().clone()
    _, binary = _binarize(mode)(torch.zeros(1), weight)
    binary.sum().backward()
    assert torch.equal(weight, before)


def test_scale_gradient_counts_zero_as_plus_one() -> None:
    weight = torch.tensor([[0.0, -0.0, -2.0, 1.0]], requires_grad=True)
    scale = weight_scale(weight, WeightScale.CHANNEL)
    assert scale is not None and scale.tolist() == [0.75]
    scale.sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [[0.25, 0.25, -0.25, 0.25]]


def test_a_threshold_of_1_3_alpha_would_silence_thirty_percent_of_gaussian_weights() -> None:
    """The figure in the derivation: P(|w| > 1.3 · √(2/π) · σ)."""
    share = math.erfc(1.3 * math.sqrt(2 / math.pi) / math.sqrt(2))
    assert round(share, 2) == 0.30
    weight = 0.05 * torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(10))
    silenced = (weight.abs() > 1.3 * weight.abs().mean()).double().mean().item()
    assert abs(silenced - share) < 0.01
    leaf = weight.requires_grad_()
    _, binary = _binarize(WeightScale.TENSOR)(torch.zeros(1), leaf)
    (grad,) = torch.autograd.grad(binary.sum(), leaf)
    assert torch.count_nonzero(grad) == grad.numel()
