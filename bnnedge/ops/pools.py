"""Sums in place of averages: exact on integer accumulators; a BatchNorm absorbs the divisor."""

from torch import Tensor, nn
from torch.nn import functional


class SumPool2d(nn.Module):
    """Integer accumulators (N, C, H, W) → their sums over windows (N, C, H', W').

    Exports as a `Conv` of C groups with weights 1. Not as `AveragePool`: its division and the
    multiplication that would undo it round, and torch's exporter drops `divisor_override`
    without a word.

    Args:
        kernel_size: side of the window.
        stride: step between windows.
        padding: rows and columns of zeros on every side.
    """

    def __init__(self, kernel_size: int, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        channels = x.shape[1]
        ones = x.new_ones(channels, 1, self.kernel_size, self.kernel_size)
        return functional.conv2d(x, ones, None, self.stride, self.padding, groups=channels)


class GlobalSumPool(nn.Module):
    """Integer accumulators (N, C, H, W) → their sums over all pixels (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.sum(dim=(2, 3))
