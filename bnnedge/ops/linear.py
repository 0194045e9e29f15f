"""Fully connected layers with ±1 weights."""

from brevitas.nn import QuantLinear
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.config import BinarizeConfig
from bnnedge.ops.weights import DEFAULT, BinaryWeights, weight_quantiser


class BinaryLinear(BinaryWeights, QuantLinear):  # type: ignore[misc]
    """±1 inputs (N, in_features) → signed accumulators (N, out_features), float32 integers.

    No bias: a BatchNorm follows. `weight` (out_features, in_features) holds the latent weights,
    started uniformly in [−1, 1].

    Args:
        in_features: inputs of each row.
        out_features: neurons.
        binarize: what becomes of the inputs and the weights. With a weight scale α the outputs
            are the accumulators times α; with float weights or inputs they are real sums.
    """

    def __init__(
        self, in_features: int, out_features: int, *, binarize: BinarizeConfig = DEFAULT
    ) -> None:
        quantiser = weight_quantiser(binarize)
        super().__init__(in_features, out_features, bias=False, weight_quant=quantiser)
        self._set_up(binarize)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if x.shape[-1] != self.in_features:
            wanted = f"(N, {self.in_features})"
            owner = type(self).__name__
            raise ConfigError(f"{owner}: wanted {wanted}, got {tuple(x.shape)}")
        if self.sign is not None:
            x = self.sign(x)
        out = functional.linear(x, self._multiplied_weight())
        scale = self.weight_scale()
        return out if scale is None else out * scale
