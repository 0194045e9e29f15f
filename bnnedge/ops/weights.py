"""What binary layers share: latent weights, their signs, and the scale behind the sum."""

import torch
from torch import Tensor, nn

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, WeightScale
from bnnedge.ops.quantisers import BirealBinaryActivation, Sign, StraightThroughBinaryActivation
from bnnedge.ops.surrogates import StraightThroughSign, sign


def activation_layer(method: ActivationMethod) -> nn.Module | None:
    match method:
        case ActivationMethod.SIGN:
            return StraightThroughBinaryActivation()
        case ActivationMethod.CLIPPED:
            return Sign()
        case ActivationMethod.BIREAL:
            return BirealBinaryActivation()
    return None


class BinaryWeights:
    """Mixin of the binary layers, in front of a Brevitas layer without bias."""

    weight: Tensor
    training: bool
    binarize: BinarizeConfig
    frozen_scale: Tensor | None

    def _set_up(self, binarize: BinarizeConfig) -> None:
        assert isinstance(self, nn.Module)
        self.binarize = binarize
        self.sign = activation_layer(binarize.activation)
        self.register_buffer("frozen_scale", None, persistent=False)
        if binarize.weight_scale is not WeightScale.OFF:
            torch.nn.init.uniform_(self.weight, -1.0, 1.0)

    @torch.no_grad()
    def bipolar_weight(self) -> Tensor:
        """The ±1 weights that the layer multiplies with: float32, shaped as `weight`."""
        if self.binarize.weight_scale is WeightScale.OFF:
            raise ConfigError("bipolar_weight: wanted a binary layer, got weight scale off")
        return sign(self.weight)

    @torch.no_grad()
    def freeze_(self) -> None:
        """Keep the scale as a constant, so that an export holds the number that PyTorch used."""
        if self.frozen_scale is None:
            self.frozen_scale = self.weight_scale()

    def weight_scale(self) -> Tensor | None:
        """mean|w| per output channel (C,) or for all (1,); None where the layer has no scale."""
        mode = self.binarize.weight_scale
        if mode in (WeightScale.OFF, WeightScale.SIGN):
            return None
        if self.frozen_scale is not None:
            return self.frozen_scale
        weight = self.weight.clamp(-1.0, 1.0)
        if mode is not WeightScale.CHANNEL:
            weight = weight.detach()
        rows = 1 if mode is WeightScale.TENSOR else len(weight)
        return (weight * sign(weight.detach())).reshape(rows, -1).mean(1)

    def _effective_weight(self) -> Tensor:
        if self.binarize.weight_scale is WeightScale.OFF:
            return self.weight
        if self.weight_quant.export_mode:
            exported: Tensor = self.quant_weight().value
            return exported
        if self.training:
            with torch.no_grad():
                self.weight.clamp_(-1.0, 1.0)
        out: Tensor = StraightThroughSign.apply(self.weight)  # type: ignore[no-untyped-call]
        return out
