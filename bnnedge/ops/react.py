"""Learnt shifts and shapes around signs, which a threshold takes in: they cost no hardware."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod
from bnnedge.ops.quantisers import activation_layer


class RSign(nn.Module):
    """Real (N, C, …) → ±1 of that shape: sign(x − α[c]), with α learnt.

    "ReActNet" (Liu et al. 2020, equation 1). The gradient of x is that of the sign, and α's is its
    negative, summed over everything but channels; it starts at 0.

    Args:
        channels: C.
        gradient: what the sign's is taken to be; there Bi-Real Net's.

    Raises:
        ConfigError: fewer than one channel, or a method that gives no sign.
    """

    def __init__(
        self, channels: int, *, gradient: ActivationMethod = ActivationMethod.BIREAL
    ) -> None:
        super().__init__()
        sign = activation_layer(gradient)
        if channels < 1 or sign is None:
            raise ConfigError(
                f"RSign: wanted channels and a gradient of a sign, got {channels} and"
                f" {gradient.value}"
            )
        self.shift, self.sign = _learnt(channels, 0.0), sign

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.sign(x - _shaped(self.shift, x))
        return out


class RPReLU(nn.Module):
    """Real (N, C, …) → real of that shape: (x − γ[c]) · (1 or β[c]) + ζ[c], β below γ.

    "ReActNet" (Liu et al. 2020, equation 2), all learnt, from γ = ζ = 0 and β = 0.25 on. Training
    keeps β at 0 or more, so that the function never falls: a threshold behind it is one in front.

    Args:
        channels: C.

    Raises:
        ConfigError: fewer than one channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 1:
            raise ConfigError(f"RPReLU: wanted channels, got {channels}")
        self.gamma, self.zeta = _learnt(channels, 0.0), _learnt(channels, 0.0)
        self.beta = _learnt(channels, 0.25)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.training:
            self.beta.detach().clamp_(min=0.0)
        moved = functional.prelu(x - _shaped(self.gamma, x), self.beta)
        return moved + _shaped(self.zeta, x)


def _learnt(channels: int, value: float) -> nn.Parameter:
    return nn.Parameter(torch.full((channels,), value))


def _shaped(values: Tensor, x: Tensor) -> Tensor:
    """(C,) along the second axis."""
    return values.reshape(-1, *[1] * (x.dim() - 2))
