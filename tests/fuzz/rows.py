"""Random networks on rows (C, L) in PyTorch: layers of this package, of torch and of Brevitas."""

from dataclasses import dataclass

import numpy as np
import torch
from brevitas.nn import QuantConv1d
from numpy.typing import NDArray
from torch import Tensor, nn

from bnnedge.ops.config import PaddingMode
from bnnedge.ops.conv import BinaryConv1d
from bnnedge.ops.encoding import PixelInput, ThresholdEncoding
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.pools import GlobalSumPool, SumPool1d
from bnnedge.ops.quantisers import BipolarWeight, Sign

_LEVELS = (-0.75, 0.0, 0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomRows:
    """A network in evaluation mode, and the shape (C, L) of one input."""

    module: nn.Module
    shape: tuple[int, int]
    integers: bool

    @classmethod
    def of(cls, seed: int) -> "RandomRows":
        """The network of that number."""
        return _Maker(seed).make()

    def inputs(self, count: int) -> NDArray[np.float32]:
        """Rows (N, C, L), with values that lie on thresholds among them."""
        rng = np.random.default_rng(count)
        shape = (count, *self.shape)
        if self.integers:
            return rng.integers(0, 16, shape).astype(np.float32)
        edges = rng.choice(np.float32([-0.75, -0.0, 0, 0.5, 1e-38, -1e-38]), shape)
        return np.where(rng.random(shape) < 0.5, edges, rng.normal(0, 1, shape)).astype(np.float32)

    def answers(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What PyTorch gives, (N, K)."""
        with torch.no_grad():
            logits: Tensor = self.module(torch.from_numpy(x))
        return logits.numpy()


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(-1)


class _Largest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.amax(-1)


class _Maker:
    """Appends layers to a chain whose rows are (`channels`, `length`)."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self._channels, self._length = self._among(1, 4), self._among(6, 24)
        self._layers: list[nn.Module] = []
        self._reach = 1  # of a layer's inputs

    def make(self) -> RandomRows:
        shape = (self._channels, self._length)
        integers = self._among(0, 2) == 0
        self._encode(integers)
        for _ in range(self._among(1, 3)):
            self._convolve()
            self._to_bits()
        if self._among(0, 2) == 0:
            self._convolve()
            if self._summarise() or self._among(0, 1):
                self._normalise()
                self._dense()
        else:
            self._layers.append(nn.Flatten())
            self._channels *= self._length
            self._dense()
        module = nn.Sequential(*self._layers).eval()
        return RandomRows(module=module, shape=shape, integers=integers)

    def _among(self, low: int, high: int) -> int:
        """A number from `low` to `high`."""
        return int(self._rng.integers(low, high + 1))

    def _encode(self, integers: bool) -> None:
        if integers:
            self._layers.append(PixelInput(bits=4))
            self._reach = 15
        elif self._among(0, 1):
            self._layers.append(ThresholdEncoding(_LEVELS, keep_shape=True))
            self._channels *= len(_LEVELS)
        else:
            self._layers.append(Sign())

    def _convolve(self) -> None:
        groups = self._channels if self._among(0, 3) == 0 else 1
        outputs = self._among(1, 3) * groups if groups > 1 else self._among(2, 8)
        dilation = self._among(1, 2)
        kernel = self._among(1, min(4, (self._length - 1) // dilation + 1))
        padding = self._among(0, kernel - 1)
        stride = self._among(1, 2)
        if self._among(0, 2) == 0:  # of Brevitas, which pads with zeros
            self._layers.append(
                QuantConv1d(
                    self._channels,
                    outputs,
                    kernel,
                    stride=stride,
                    padding=padding,
                    dilation=dilation,
                    groups=groups,
                    bias=False,
                    weight_quant=BipolarWeight,
                )
            )
        else:
            modes = [PaddingMode.ZERO] if self._reach > 1 else list(PaddingMode)
            self._layers.append(
                BinaryConv1d(
                    self._channels,
                    outputs,
                    kernel,
                    stride=stride,
                    padding=padding,
                    padding_mode=modes[self._among(0, len(modes) - 1)],
                    dilation=dilation,
                    groups=groups,
                )
            )
        self._sums = self._channels // groups * kernel * self._reach
        self._channels, self._reach = outputs, 1
        span = dilation * (kernel - 1) + 1
        self._length = (self._length + 2 * padding - span) // stride + 1

    def _to_bits(self) -> None:
        """What gives bits, with a pool in front of it or behind, if any."""
        pools = self._among(0, 3) if self._length > 2 else 3
        if pools == 0:
            self._max_pool()
        elif pools == 1:
            average = self._among(0, 1)  # of two numbers, which divides without rounding
            window, stride = 2 if average else self._among(2, 3), self._among(1, 2)
            if average:
                self._layers.append(nn.AvgPool1d(window, stride))
            else:
                self._layers.append(SumPool1d(window, stride))
                self._sums *= window
            self._length = (self._length - window) // stride + 1
        self._normalise()
        if pools == 2:
            self._max_pool()

    def _max_pool(self) -> None:
        window, stride = 2 + self._among(0, 1), self._among(1, 2)
        padding, ceil = self._among(0, 1), bool(self._among(0, 1))
        pool = nn.MaxPool1d(window, stride, padding=padding, ceil_mode=ceil)
        self._length = pool(torch.zeros(1, 1, self._length)).shape[-1]
        self._layers.append(pool)

    def _summarise(self) -> bool:
        """All pixels of every channel → one number; whether that may not be the end."""
        power = self._length & (self._length - 1) == 0  # a mean that does not round
        choice = self._among(0, 3 if power else 1)
        match choice:
            case 0:
                self._layers.append(GlobalSumPool())
                self._sums *= self._length
            case 1:
                self._layers += [_Largest()]
            case 2:
                self._layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
            case _:
                self._layers.append(_Mean())
        self._length = 1
        return choice == 1

    def _normalise(self) -> None:
        """Means that sums reach, scales of both signs and 0; then the sign."""
        rng, count = self._rng, self._channels
        norm: AffineBatchNorm | nn.BatchNorm1d = AffineBatchNorm(count)
        mean = rng.integers(-self._sums, self._sums + 1, count) / 2
        if self._among(0, 3) == 0:  # torch's own, which rounds as the processor does: no ties
            norm, mean = nn.BatchNorm1d(count), mean + rng.uniform(0.1, 0.2, count)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(torch.from_numpy(mean))
        norm.running_var.copy_(torch.from_numpy(rng.uniform(0.1, 9, count)))
        norm.weight.data.copy_(torch.from_numpy(rng.choice([-1.3, -0.2, 0, 0.6, 2], count)))
        norm.bias.data.copy_(torch.from_numpy(rng.choice([0, 0, 0.3, -0.4], count)))
        self._layers += [norm, Sign()]

    def _dense(self) -> None:
        self._layers.append(BinaryLinear(self._channels, self._among(2, 5)))
