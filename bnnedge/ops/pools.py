"""Sums in place of averages: exact on integer accumulators; a BatchNorm absorbs the divisor."""

from torch import Tensor, nn
from torch.nn import functional


class _SumPool(nn.Module):
    def __init__(self, kernel_size: int, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        channels, axes = x.shape[1], x.dim() - 2
        ones = x.new_ones(channels, 1, *[self.kernel_size] * axes)
        add_up = functional.conv1d if axes == 1 else functional.conv2d
        return add_up(x, ones, None, self.stride, self.padding, groups=channels)


class SumPool2d(_SumPool):
    """Integer accumulators (N, C, H, W) → their sums over windows (N, C, H', W').

    Exports as a `Conv` of C groups with weights 1. Not as `AveragePool`: its division and the
    multiplication that would undo it round, and torch's exporter drops `divisor_override`
    without a word.

    Args:
        kernel_size: side of the window.
        stride: step between windows.
        padding: rows and columns of zeros on every side.
    """


class SumPool1d(_SumPool):
    """The same along one axis: (N, C, L) → (N, C, L')."""


class GlobalSumPool(nn.Module):
    """Integer accumulators (N, C, H, W) or (N, C, L) → their sums over all pixels (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.sum(dim=tuple(range(2, x.dim())))
