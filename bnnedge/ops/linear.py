"""Fully connected layers with ±1 weights."""

from brevitas.nn import QuantLinear
from torch import Tensor
from torch.nn import functional

from bnnedge.ops.config import BinarizeConfig, WeightScale
from bnnedge.ops.quantisers import BipolarWeight
from bnnedge.ops.weights import BinaryWeights


class BinaryLinear(BinaryWeights, QuantLinear):  # type: ignore[misc]
    """±1 inputs (N, in_features) → signed accumulators (N, out_features), float32 integers.

    No bias: a BatchNorm follows. `weight` (out_features, in_features) holds the latent weights,
    started uniformly in [−1, 1].
    """

    def __init__(
        self, in_features: int, out_features: int, *, binarize: BinarizeConfig | None = None
    ) -> None:
        binarize = binarize or BinarizeConfig()
        off = binarize.weight_scale is WeightScale.OFF
        quantiser = None if off else BipolarWeight
        super().__init__(in_features, out_features, bias=False, weight_quant=quantiser)
        self._set_up(binarize)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.sign is not None:
            x = self.sign(x)
        out = functional.linear(x, self._effective_weight())
        scale = self.weight_scale()
        return out if scale is None else out * scale
