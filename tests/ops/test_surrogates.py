"""Sign, rounding, their gradients: values, written formulas, derivatives of stated surrogates."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bnnedge.ops.surrogates import (
    BirealSign,
    ClippedIdentity,
    ClippedSign,
    StraightThroughRound,
    StraightThroughSign,
    sign,
)

Function = Callable[[Tensor], Tensor]


def piecewise_quadratic(x: Tensor) -> Tensor:
    """Bi-Real Net's approximation of the sign."""
    inside = torch.where(x < 0, 2 * x + x * x, 2 * x - x * x)
    return torch.where(x.abs() < 1, inside, sign(x))


CASES: dict[str, tuple[Function, Function, Function]] = {
    # name: the function, its surrogate, the written gradient
    "straight through": (StraightThroughSign.apply, lambda x: x, torch.ones_like),
    "hard tanh": (
        lambda x: ClippedSign.apply(x, 1.0),
        lambda x: x.clamp(-1, 1),
        lambda x: (x.abs() <= 1).to(x.dtype),
    ),
    "clip at 1.3": (
        lambda x: ClippedSign.apply(x, 1.3),
        lambda x: x.clamp(-1.3, 1.3),
        lambda x: (x.abs() <= 1.3).to(x.dtype),
    ),
    "clipped identity": (
        lambda x: ClippedIdentity.apply(x, 1.0),
        lambda x: x.clamp(-1, 1),
        lambda x: (x.abs() <= 1).to(x.dtype),
    ),
    "Bi-Real": (
        BirealSign.apply,
        piecewise_quadratic,
        lambda x: torch.where(x.abs() < 1, 2 - 2 * x.abs(), torch.zeros_like(x)),
    ),
    "round to halves in [-1, 0.5]": (
        lambda x: StraightThroughRound.apply(x, 0.5, -2, 1),
        lambda x: x.clamp(-1.25, 0.75),
        lambda x: ((x >= -1.25) & (x < 0.75)).to(x.dtype),  # -2.5 rounds to -2, 1.5 to 2
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sign_is_plus_one_at_both_zeros_and_never_zero(dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).smallest_normal
    x = torch.tensor([0.0, -0.0, tiny, -tiny, 1e-45, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    signs = sign(x)
    assert signs.tolist() == [1, 1, 1, -1, 1, 1, -1, -1]
    assert signs.dtype == dtype


def test_sign_keeps_shape_strides_and_its_input() -> None:
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(1)).transpose(0, 2)
    before = x.clone()
    signs = sign(x)
    assert signs.shape == x.shape and torch.equal(x, before)
    assert torch.equal(signs, torch.where(x >= 0, 1.0, -1.0))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_is_the_written_formula(name: str, dtype: torch.dtype) -> None:
    function, _, formula = CASES[name]
    edges = torch.tensor([0.0, -0.0, 0.5, 0.75, 1.0, 1.25, 1.3, 2.0], dtype=dtype)
    beyond = edges.nextafter(torch.tensor(torch.inf, dtype=dtype))
    below = edges.nextafter(torch.tensor(-torch.inf, dtype=dtype))
    x = torch.cat((edges, beyond, below))
    x = torch.cat((x, -x)).requires_grad_()
    incoming = torch.randn(len(x), dtype=dtype, generator=torch.Generator().manual_seed(2))
    kept = incoming.clone()
    (grad,) = torch.autograd.grad(function(x), x, incoming)
    assert torch.equal(grad, incoming * formula(x.detach()))
    assert torch.equal(incoming, kept), "the incoming gradient was written into"


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_the_derivative_of_the_surrogate(name: str) -> None:
    function, surrogate, _ = CASES[name]
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(400, dtype=torch.float64, generator=generator) * 1.2
    kinks = torch.tensor([0.0, 0.75, 1.0, 1.25, 1.3], dtype=torch.float64)
    step = 1e-6
    x = x[((x.abs()[:, None] - kinks).abs() > 10 * step).all(1)]
    slope = (surrogate(x + step) - surrogate(x - step)) / (2 * step)
    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(function(leaf).sum(), leaf)
    assert torch.allclose(grad, slope, atol=1e-8, rtol=0)
    smooth = leaf.detach().requires_grad_()
    assert torch.autograd.gradcheck(surrogate, (smooth,), eps=step)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("clip", [1.0, 1.3, 0.7, 2.0, 1.9999999999, 0.5, 1e-3])
def test_the_clip_is_inclusive_to_the_last_bit_of_every_type(
    dtype: torch.dtype, clip: float
) -> None:
    edge = torch.tensor(clip, dtype=dtype)
    spacing = torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(edge.item()))
    x = torch.stack((edge, edge + spacing, -edge, -(edge + spacing))).requires_grad_()
    assert x[1] > x[0]
    (grad,) = torch.autograd.grad(ClippedSign.apply(x, clip).sum(), x)
    assert grad.tolist() == [1, 0, 1, 0]


def test_bireal_is_the_smooth_approximation_it_names() -> None:
    x = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0], dtype=torch.float64)
    assert piecewise_quadratic(x).tolist() == [-1, -0.75, 0, 0.75, 1]
