"""Activation method × weight scale, in one place.

With w the latent weights, g the gradient of the binarised ones W̃, n the number of weights that
share one scale, α = mean|w| over them, and 1{…} one where the condition holds, else 0:

    OFF      W̃ = w                                   dw = g
    SIGN     W̃ = sign(w)                             dw = g · 1{|w| <= 1}
    TENSOR   W̃ = α · sign(w), α of the layer         dw = α · g · 1{|w| <= 1}
    CHANNEL  W̃ = α · sign(w), α per output channel   dw = (1/n) · sign(w) · Σⱼ gⱼ · sign(wⱼ)
                                                          + α · g · 1{|w| <= 1}
    BIREAL   W̃ = α · sign(w), α per output channel   dw = α · g · 1{|w| <= 1}

SIGN is "BinaryConnect" (Courbariaux et al. 2015, equation 1), TENSOR has the scale of "DoReFa-Net"
(Zhou et al. 2016, section 2.3), CHANNEL is "XNOR-Net" (Rastegari et al. 2016, equation 6 and the
gradient in section 3.1), BIREAL "Bi-Real Net" (Liu et al. 2018, section 3.3, magnitude-aware
gradient; the authors' code leaves the factor α out, which Adam does not notice).

**What the gradients are derivatives of.** Around the weights w⁰ of a step, CHANNEL is the
derivative at w = w⁰ of α(w) · sign(w⁰) + α(w⁰) · clip(w, −1, 1): the product rule with hard tanh
in place of the sign. TENSOR and BIREAL drop its first term, the one through the scale.

**Is the clip's threshold scaled by α?** No. W̃ = α · sign(w), and the clip stands for the sign
alone: sign(w) ≈ clip(w, −1, 1), whose derivative is 1 up to |w| = 1 whatever α is; α then comes
in as a factor of the gradient. Scaling the threshold means another surrogate, W̃ ≈ clip(w, −α, α),
and this has no factor α but cuts most of its weights off: α is their *mean* magnitude. For
Gaussian weights of deviation σ, α = σ · √(2/π), and even a threshold of 1.3 · α = 1.04 σ
leaves P(|w| > 1.04 σ) = 30 % of them without a gradient, the large ones for good, because nothing
moves them back. Nor has the clip of the *activations* to do with α: it belongs to
the sign of x, before any weight.

**Why <= and not <.** Layers keep their latent weights in [−1, 1] by clamping, which leaves many
exactly on the edge. With 1{|w| < 1} those would never move again.
"""

from torch import Tensor, nn

from bnnedge.ops.config import BinarizeConfig, WeightScale
from bnnedge.ops.exact import mean_of_rows
from bnnedge.ops.quantisers import activation_layer
from bnnedge.ops.surrogates import ClippedSign, sign


def weight_scale(weight: Tensor, mode: WeightScale) -> Tensor | None:
    """α of latent weights (out, …): (out,), for TENSOR (1,); None where the mode has no scale.

    Only CHANNEL's α carries a gradient, (1/n) · sign(w) with sign(0) = +1.
    """
    if mode in (WeightScale.OFF, WeightScale.SIGN):
        return None
    if mode is not WeightScale.CHANNEL:
        weight = weight.detach()
    magnitudes = weight * sign(weight.detach())
    rows = magnitudes.reshape(1 if mode is WeightScale.TENSOR else len(weight), -1)
    return mean_of_rows(rows)


class Binarize(nn.Module):
    """Real inputs and latent weights → what a layer multiplies, with the gradients above.

    Pure: neither the weights nor any gradient is changed in place.

    Args:
        config: what becomes of the inputs, and of the weights.
    """

    def __init__(self, config: BinarizeConfig) -> None:
        super().__init__()
        self.config = config
        self.sign = activation_layer(config.activation)

    def forward(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Float32 x of any shape and w (out, …) → binarised x and W̃ of the same shapes."""
        if self.sign is not None:
            x = self.sign(x)
        if self.config.weight_scale is WeightScale.OFF:
            return x, weight
        signs: Tensor = ClippedSign.apply(weight, 1.0)  # type: ignore[no-untyped-call]
        scale = weight_scale(weight, self.config.weight_scale)
        if scale is None:
            return x, signs
        return x, signs * scale.reshape(-1, *(1,) * (weight.dim() - 1))
