"""Sums in place of averages: exact on integer accumulators; a BatchNorm absorbs the divisor."""

from torch import Tensor, nn
from torch.nn import functional


class SumPool2d(nn.Module):
    """Integer accumulators (N, C, H, W) → their sums over windows (N, C, H', W')."""

    def __init__(self, kernel_size: int, stride: int, padding: int = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, divisor_override=1
        )


class GlobalSumPool(nn.Module):
    """Integer accumulators (N, C, H, W) → their sums over all pixels (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return x.sum(dim=(2, 3))
