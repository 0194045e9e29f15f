"""Square roots, means and convolutions with the same bits on every processor.

Sum, difference, product and quotient of two tensors are fixed to the last bit by IEEE 754, and
torch computes them so. Sums of integers below 2²⁴ are exact in any order. Three operations on the
way to a threshold are not:

* `torch.sqrt` on float32 is MKL's, which is off by an ulp for 17 % of all values on processors
  that are not Intel's, and for 0.1…0.6 % on those that are;
* `torch.sum` and `torch.mean` add in an order that depends on vector width and threads;
* where oneDNN is missing or switched off, torch gives large batches of convolutions to NNPACK,
  whose Winograd transforms round even integers.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def square_root(x: Tensor) -> Tensor:
    """√x, correctly rounded, of float32 of any shape (float64 as torch has it).

    Rounding twice is harmless: what lies half-way between two float32 has 25 digits, the last of
    them 1, so its square differs from any float32 in the 50th digit or before, and √x is at least
    4 float64 ulps away from it. So an ulp by which the float64 root is off does no harm either.
    """
    return torch.sqrt(x.double()).to(x.dtype)


def exact_convolutions() -> AbstractContextManager[None]:
    """Inside, no convolution is NNPACK's."""
    found: AbstractContextManager[None] = torch.backends.nnpack.flags(enabled=False)
    return found


def mean_of_rows(x: Tensor) -> Tensor:
    """Mean of every row, added up in one order: (R, n) → (R,).

    The halves of a row are added elementwise until one number is left. No vector width and no
    number of threads changes which numbers meet.
    """
    out: Tensor = _MeanOfRows.apply(x)  # type: ignore[no-untyped-call]
    return out


class _MeanOfRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        total = x
        while total.shape[1] > 1:
            half = total.shape[1] // 2
            added = total[:, :half] + total[:, half : 2 * half]
            total = torch.cat([added, total[:, 2 * half :]], 1) if total.shape[1] % 2 else added
        return total[:, 0] / x.shape[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        mean: Tensor = grad / ctx.shape[1]
        return mean[:, None].expand(ctx.shape)
