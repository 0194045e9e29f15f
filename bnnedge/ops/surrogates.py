"""Sign and rounding, and the gradients that stand in for their own, which are zero everywhere.

Signs are exactly ±1 with sign(0) = sign(−0) = +1; NaN gives −1, as Brevitas has it.
Each gradient is the derivative of a function that the class names, its *surrogate*; none of them
writes into the gradient that comes in.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sign(x: Tensor) -> Tensor:
    """±1 of the same shape and dtype, without a gradient."""
    # Writing the comparison into floats is nine times as fast as `torch.where` on its mask.
    return torch.ge(x, 0.0, out=torch.empty_like(x)).mul_(2.0).sub_(1.0)


def _just_beyond(bound: float, dtype: torch.dtype) -> float:
    """The float of type `dtype` after `bound`; plain arithmetic, which torch.compile can trace."""
    epsilon = torch.finfo(dtype).eps
    ulp = math.ldexp(epsilon, math.frexp(bound)[1] - 1)
    rounded = round(bound / ulp) * ulp
    return rounded + math.ldexp(epsilon, math.frexp(rounded)[1] - 1)


def _inside(grad: Tensor, x: Tensor, bound: float) -> Tensor:
    """grad · 1{|x| <= bound}, in one pass."""
    # torch's kernel leaves both ends out, the formulas include them: one float further.
    edge = _just_beyond(bound, x.dtype)
    out: Tensor = torch.ops.aten.hardtanh_backward(grad, x, -edge, edge)
    return out


class StraightThroughSign(torch.autograd.Function):
    """Sign with the gradient g; its surrogate is x.

    "Estimating or Propagating Gradients Through Stochastic Neurons" (Bengio et al. 2013);
    on weights, "BinaryConnect" (Courbariaux et al. 2015), algorithm 1.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Real → ±1."""
        return sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """g. Nothing of the forward pass is needed, so nothing is saved."""
        return grad


class TernarySign(torch.autograd.Function):
    """The nearest of −1, 0 and 1, half to 0, with the gradient g.

    "Neural Networks with Few Multiplications" (Lin et al. 2016, section 3.1) has these weights,
    drawn at random; as the nearest they are Brevitas' of 2 bits, narrow. A weight at 0 has the
    gradient of the others, so it may come back.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Real → −1, 0 and 1."""
        return x.round().clamp_(-1.0, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """g."""
        return grad


class ClippedSign(torch.autograd.Function):
    """Sign with the gradient g · 1{|x| <= clip}; its surrogate is x inside, constant outside.

    With clip 1 that is hard tanh: "Binarized Neural Networks" (Hubara et al. 2016), equation 4.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, clip: float) -> Tensor:
        """Real → ±1."""
        ctx.save_for_backward(x)
        ctx.clip = clip
        return sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """g · 1{|x| <= clip}."""
        (x,) = ctx.saved_tensors
        return _inside(grad, x, ctx.clip), None


class ClippedIdentity(torch.autograd.Function):
    """x itself, with the gradient of `ClippedSign`: a full-precision twin trains alike."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, clip: float) -> Tensor:
        """Real → the same number."""
        ctx.save_for_backward(x)
        ctx.clip = clip
        return x.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """g · 1{|x| <= clip}."""
        (x,) = ctx.saved_tensors
        return _inside(grad, x, ctx.clip), None


class BirealSign(torch.autograd.Function):
    """Sign with the gradient g · max(2 − 2|x|, 0).

    Its surrogate is the piecewise quadratic 2x + x² on [−1, 0], 2x − x² on [0, 1], ±1 beyond:
    "Bi-Real Net" (Liu et al. 2018), section 3.3, equation 3.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Real → ±1."""
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """g · max(2 − 2|x|, 0)."""
        (x,) = ctx.saved_tensors
        slope: Tensor = x.abs().mul_(-2.0).add_(2.0).clamp_(min=0.0)
        return slope.mul_(grad)


class StraightThroughRound(torch.autograd.Function):
    """scale · clamp(round(x / scale), low, high), half to even, with the gradient g · 1{no clamp}.

    Its surrogate is x where round(x / scale) is in [low, high], constant outside. The scale is a
    power of two, so neither division nor product rounds.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, low: int, high: int) -> Tensor:
        """Real → scale · integer."""
        rounded = (x * (1 / scale)).round_()
        ctx.save_for_backward(rounded)
        ctx.low, ctx.high = low, high
        return rounded.clamp(low, high).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """g · 1{low <= round(x / scale) <= high}."""
        (rounded,) = ctx.saved_tensors
        # torch's kernel leaves both ends out, and the saved numbers are whole.
        inside = torch.ops.aten.hardtanh_backward(grad, rounded, ctx.low - 0.5, ctx.high + 0.5)
        return inside, None, None, None
