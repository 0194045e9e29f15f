"""Fully connected layers with ±1 weights."""

import torch
from brevitas.nn import QuantLinear

from bnnedge.ops.quantisers import BipolarWeight


class BinaryLinear(QuantLinear):  # type: ignore[misc]
    """±1 inputs (N, in_features) → signed accumulators (N, out_features), float32 integers.

    No bias: a BatchNorm follows. `weight` (out_features, in_features) holds the latent weights,
    started uniformly in [−1, 1].
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False, weight_quant=BipolarWeight)
        torch.nn.init.uniform_(self.weight, -1.0, 1.0)

    @torch.no_grad()
    def bipolar_weight(self) -> torch.Tensor:
        """The ±1 weights that the forward pass uses: float32 (out_features, in_features)."""
        weight: torch.Tensor = self.quant_weight().value
        return weight.detach()
