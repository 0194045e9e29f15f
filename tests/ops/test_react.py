"""ReActNet's RSign and RPReLU: formulas, gradients, and nothing of them in hardware."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bnnedge.dataflow import XnorMvu
from bnnedge.errors import ConfigError
from bnnedge.ops import (
    ActivationMethod,
    AffineBatchNorm,
    BinaryConv2d,
    BinaryLinear,
    PaddingMode,
    RPReLU,
    RSign,
    Sign,
)
from tests.lowering.test_tables import lowered


def learnt(module: nn.Module, seed: int = 0) -> nn.Module:
    """With parameters as training leaves them: of both signs, slopes from 0 on."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        if name.endswith("beta"):
            drawn = drawn.clamp(min=0.0)
        if name.rpartition(".")[2] in ("shift", "gamma", "zeta", "beta"):
            parameter.data.copy_(drawn)
    for norm in module.modules():
        if isinstance(norm, AffineBatchNorm):
            assert norm.running_mean is not None
            norm.running_mean.normal_(0, 2, generator=generator)
            norm.weight.data.normal_(0, 1, generator=generator)
            norm.bias.data.normal_(0, 1, generator=generator)
    return module


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 5), (8, 3, 2, 2)])
def test_they_are_the_written_formulas(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    sign, relu = learnt(RSign(3)).eval(), learnt(RPReLU(3)).eval()
    assert isinstance(sign, RSign) and isinstance(relu, RPReLU)
    for channel in range(3):
        own = x[:, channel]
        wanted = torch.where(own - sign.shift[channel] >= 0, 1.0, -1.0)
        assert torch.equal(sign(x)[:, channel], wanted)
        moved = own - relu.gamma[channel]
        wanted = torch.where(moved > 0, moved, relu.beta[channel] * moved) + relu.zeta[channel]
        assert torch.equal(relu(x)[:, channel], wanted)


def test_gradients() -> None:
    x, grad = torch.randn(20, 3, 4), torch.randn(20, 3, 4)
    sign = learnt(RSign(3, gradient=ActivationMethod.CLIPPED)).train()
    assert isinstance(sign, RSign)
    x.requires_grad_()
    sign(x).backward(grad)
    passed = grad * ((x - sign.shift.reshape(-1, 1)).abs() <= 1)
    assert x.grad is not None and sign.shift.grad is not None
    torch.testing.assert_close(x.grad, passed)
    torch.testing.assert_close(sign.shift.grad, -passed.sum((0, 2)))


def test_training_keeps_slopes_from_falling() -> None:
    relu = RPReLU(2).train()
    relu.beta.data.copy_(torch.tensor([-0.5, 0.5]))
    relu(torch.randn(4, 2))
    assert relu.beta.tolist() == [0.0, 0.5]


class _Net(nn.Module):
    """As in ReActNet: a convolution, its norm, RPReLU, RSign, and again, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = Sign()
        self.conv = BinaryConv2d(2, 6, 3, padding=1, padding_mode=PaddingMode.MINUS_ONE)
        self.first = nn.Sequential(AffineBatchNorm(6), RPReLU(6), RSign(6))
        self.linear = BinaryLinear(96, 7)
        self.second = nn.Sequential(AffineBatchNorm(7), RPReLU(7), RSign(7))
        self.last = BinaryLinear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.conv(self.sign(x)))
        out: Tensor = self.last(self.second(self.linear(x.flatten(1))))
        return out


@pytest.mark.parametrize("seed", [0, 1])
def test_thresholds_take_them_in(seed: int, tmp_path: Path) -> None:
    x = np.random.default_rng(seed).normal(size=(60, 2, 4, 4)).astype(np.float32)
    dataflow = lowered(learnt(_Net(), seed), x, tmp_path)
    layers = [node for node in dataflow.nodes if isinstance(node, XnorMvu)]
    assert [layer.thresholds is not None for layer in layers] == [True, True, False]
    kinds = {type(node).__name__ for node in dataflow.nodes}
    assert kinds == {"SlidingWindow", "XnorMvu", "Flatten"}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="RSign: wanted channels and a gradient of a sign, got 0"):
        RSign(0)
    with pytest.raises(ConfigError, match="got 4 and float"):
        RSign(4, gradient=ActivationMethod.FLOAT)
    with pytest.raises(ConfigError, match="RPReLU: wanted channels, got 0"):
        RPReLU(0)
