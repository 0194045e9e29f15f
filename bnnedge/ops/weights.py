"""What binary layers share: latent weights, their signs, and the scale behind the sum."""

from typing import Self

import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from torch import Tensor

from bnnedge.errors import ConfigError
from bnnedge.ops.binarize import weight_scale
from bnnedge.ops.config import BinarizeConfig, WeightLevels, WeightScale
from bnnedge.ops.quantisers import BipolarWeight, TernaryWeight, activation_layer
from bnnedge.ops.surrogates import ClippedSign, StraightThroughSign, TernarySign, sign

DEFAULT = BinarizeConfig()


def weight_quantiser(
    config: BinarizeConfig,
) -> type[BipolarWeight] | type[TernaryWeight] | None:
    """The Brevitas quantiser that a layer's weights export through."""
    if config.levels is WeightLevels.TERNARY:
        return TernaryWeight
    return None if config.weight_scale is WeightScale.OFF else BipolarWeight


class BinaryWeights(QuantWeightBiasInputOutputLayer):  # type: ignore[misc]
    """Mixin in front of a Brevitas layer without bias.

    The scale α is multiplied onto the sums, not into the weights: (x · sign(w)) · α. So every
    accumulator stays an integer, and the gradients of sign(w) and α are those of the formulas in
    `bnnedge.ops.binarize`, because Σⱼ gⱼ · sign(wⱼ) is what autograd finds for α.

    In training, the forward pass clamps the latent weights to [−1, 1] in place, as "BinaryConnect"
    (Courbariaux et al. 2015, section 2.4) does behind every update; the clip of the weights'
    gradient then has nothing left to do. In evaluation nothing is changed, and weights that the
    last update left outside count as clamped.
    """

    binarize: BinarizeConfig
    frozen_scale: Tensor | None

    def _set_up(self, binarize: BinarizeConfig) -> None:
        self.binarize = binarize
        self.is_ternary = binarize.levels is WeightLevels.TERNARY
        self.is_scaled = binarize.weight_scale not in (WeightScale.OFF, WeightScale.SIGN)
        self.sign = activation_layer(binarize.activation)
        self.register_buffer("frozen_scale", None)
        if binarize.weight_scale is not WeightScale.OFF:
            torch.nn.init.uniform_(self.weight, -1.0, 1.0)

    @torch.no_grad()
    def bipolar_weight(self) -> Tensor:
        """The weights that the layer multiplies with, ±1 and maybe 0: float32, as `weight`.

        Raises:
            ConfigError: the layer's weights are not binary.
        """
        if self.binarize.weight_scale is WeightScale.OFF:
            raise ConfigError("bipolar_weight: wanted a binary layer, got weight scale off")
        if self.is_ternary:
            ternary: Tensor = TernarySign.apply(self.weight)  # type: ignore[no-untyped-call]
            return ternary
        return sign(self.weight)

    def weight_scale(self) -> Tensor | None:
        """α, float32 (out,) or (1,); None where the layer has no scale."""
        if not self.is_scaled:
            return None
        if self.frozen_scale is not None:
            return self.frozen_scale
        weight = self.weight if self.training else self.weight.clamp(-1.0, 1.0)
        return weight_scale(weight, self.binarize.weight_scale)

    @torch.no_grad()
    def freeze_(self) -> None:
        """Keep α as a constant until training goes on: an export holds what PyTorch uses."""
        self.frozen_scale = self.weight_scale()

    def train(self, mode: bool = True) -> Self:
        """See `torch.nn.Module.train`; in training α follows the latent weights."""
        if mode:
            self.frozen_scale = None
        out: Self = super().train(mode)
        return out

    def _multiplied_weight(self) -> Tensor:
        """What the layer multiplies with: ±1 with a gradient, or float weights."""
        out: Tensor
        if self.binarize.weight_scale is WeightScale.OFF:
            out = self.weight
        elif self.weight_quant.export_mode:
            out = self.quant_weight()  # a plain tensor while exporting
        elif self.is_ternary:
            if self.training:
                self.weight.detach().clamp_(-1.0, 1.0)
            out = TernarySign.apply(self.weight)  # type: ignore[no-untyped-call]
        elif self.training:
            self.weight.detach().clamp_(-1.0, 1.0)
            out = StraightThroughSign.apply(self.weight)  # type: ignore[no-untyped-call]
        else:
            out = ClippedSign.apply(self.weight, 1.0)  # type: ignore[no-untyped-call]
        return out
