"""Training costs what a bare straight-through layer in plain PyTorch costs."""

import statistics
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.ops.config import ResidualConfig
from bnnedge.ops.conv import BinaryConv2d
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.quantisers import ResidualQuantiser, Sign
from bnnedge.ops.surrogates import sign

LIMIT = 1.2


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x * 2).round().clamp(-8, 7) * 0.5

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * ((x >= -4.25) & (x < 3.75))


class _PlainRound(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _Rounded.apply(x)


class _PlainSign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _Clipped.apply(x)


class _PlainLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        self.weight.data.clamp_(-1, 1)
        return functional.linear(input, _Through.apply(self.weight))


class _PlainConv(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        self.weight.data.clamp_(-1, 1)
        padded = functional.pad(input, (1, 1, 1, 1), value=-1.0)
        return functional.conv2d(padded, _Through.apply(self.weight))


CASES = {
    "Sign": (Sign, _PlainSign, (100, 1024)),
    "Sign of images": (Sign, _PlainSign, (50, 64, 14, 14)),
    "residual integers": (
        lambda: ResidualQuantiser(ResidualConfig(bits=4, scale=0.5)),
        _PlainRound,
        (50, 64, 14, 14),
    ),
    "BinaryLinear": (
        lambda: BinaryLinear(1024, 1024),
        lambda: _PlainLinear(1024, 1024, bias=False),
        (100, 1024),
    ),
    "small BinaryLinear": (
        lambda: BinaryLinear(256, 256),
        lambda: _PlainLinear(256, 256, bias=False),
        (100, 256),
    ),
    "BinaryConv2d": (
        lambda: BinaryConv2d(64, 64, 3, padding=1),
        lambda: _PlainConv(64, 64, 3, bias=False),
        (50, 64, 14, 14),
    ),
}


def _milliseconds(layer: nn.Module, x: Tensor) -> float:
    layer.zero_grad()
    start = time.process_time()
    layer(x).sum().backward()
    return 1000 * (time.process_time() - start)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_forward_and_backward_take_at_most_a_fifth_longer_than_plain_layers(name: str) -> None:
    make, make_plain, shape = CASES[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    layer, plain = make(), make_plain()
    x = torch.randn(shape, requires_grad=True)
    try:
        # Taking turns, so that other processes on the machine disturb both alike.
        pairs = [(_milliseconds(layer, x), _milliseconds(plain, x)) for _ in range(100)]
    finally:
        torch.set_num_threads(threads)
    # The lower quartile: other processes only ever add to a time.
    ours, theirs = (statistics.quantiles(t, n=4)[0] for t in zip(*pairs[10:], strict=True))
    print(f"{name}: {ours:.3f} ms, plain {theirs:.3f} ms, ratio {ours / theirs:.2f}")
    assert ours <= LIMIT * theirs
