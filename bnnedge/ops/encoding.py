"""The input encoding as a layer, so that an exported network takes raw inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bnnedge.ops.quantisers import Sign


class ThresholdEncoding(nn.Module):
    """Raw input float32 (N, *shape) → ±1 float32 (N, elements · levels).

    The bit of element i (in C order) and threshold k is at index i · levels + k and is +1 where
    x[i] >= thresholds[k]. The comparison is the sign of `x − threshold`, which float32 computes
    with the right sign for every pair of finite numbers.
    """

    thresholds: Tensor

    def __init__(self, thresholds: Sequence[float]) -> None:
        super().__init__()
        # Part of the network's shape, not of its weights: a checkpoint's record holds them.
        values = torch.tensor(thresholds, dtype=torch.float32)
        self.register_buffer("thresholds", values, persistent=False)
        self.sign = Sign()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x.flatten(1)
        if len(self.thresholds) > 1:
            x = x.unsqueeze(-1)
        bits: Tensor = self.sign(x - self.thresholds)
        return bits.flatten(1) if bits.dim() > 2 else bits
