"""The sign function and the gradients that stand in for its own, which is zero everywhere.

All of them give exactly ±1 with sign(0) = sign(−0) = +1; NaN gives −1, as Brevitas has it.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def sign(x: Tensor) -> Tensor:
    """±1 of the same shape and dtype, without a gradient."""
    one = torch.ones((), dtype=x.dtype, device=x.device)
    return torch.where(x >= 0, one, -one)


class StraightThroughSign(torch.autograd.Function):
    """Sign whose gradient is that of x: g. "BinaryConnect" (Courbariaux et al. 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Real → ±1."""
        return sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """The incoming gradient, as it is: it depends on nothing that `forward` saw."""
        return grad


class ClippedSign(torch.autograd.Function):
    """Sign whose gradient is that of clip(x, −1, 1): g for |x| <= 1, else 0.

    "Binarized Neural Networks" (Hubara et al. 2016), equation 4.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Real → ±1."""
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """g · 1{|x| <= 1}."""
        (x,) = ctx.saved_tensors
        # torch's kernel leaves both ends out, the formula includes them: one float further.
        edge = 1.0 + torch.finfo(x.dtype).eps
        return torch.ops.aten.hardtanh_backward(grad, x, -edge, edge)


class BirealSign(torch.autograd.Function):
    """Sign whose gradient is that of Bi-Real Net's piecewise quadratic: g · (2 − 2|x|) inside.

    "Bi-Real Net" (Liu et al. 2018), equations 5 and 6.
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
        return grad * (2 - 2 * x.abs()).clamp_(min=0)
