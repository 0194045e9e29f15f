"""Quantising layers, and the Brevitas quantisers that they export through.

The binarising ones give exactly ±1 (scale 1), with sign(0) = sign(−0) = +1. With scale 1 every
accumulator of a network is an integer that float32 holds exactly, so PyTorch, ONNX and hardware
can agree bit for bit; any float scale would make the result depend on the order of a sum. A
power of two as scale, which `ResidualQuantiser` has, rounds nothing either.

The layers are Brevitas layers and export as its `BipolarQuant` and `Quant`. Outside an export they
compute with `bnnedge.ops.surrogates` instead: the same bits and the same gradients, without the
clamping, scaling and bookkeeping that Brevitas does around them.
"""

from brevitas.inject.enum import RestrictValueType, ScalingImplType, ScalingPerOutputType
from brevitas.nn import QuantIdentity
from brevitas.quant.base import IntQuant
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas.quant.solver import ActQuantSolver
from brevitas.quant.ternary import SignedTernaryWeightPerTensorConst
from torch import Tensor

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod, ResidualConfig
from bnnedge.ops.surrogates import (
    BirealSign,
    ClippedIdentity,
    ClippedSign,
    StraightThroughRound,
    StraightThroughSign,
)


class BipolarWeight(SignedBinaryWeightPerTensorConst):  # type: ignore[misc]
    """Latent float32 weight → ±1, for Brevitas' own layers and for exports.

    The gradient passes straight through, and the latent weight is clamped to [−1, 1] in place:
    "BinaryConnect" (Courbariaux et al. 2015, section 2.4).
    """

    scaling_const = 1.0


class TernaryWeight(SignedTernaryWeightPerTensorConst):  # type: ignore[misc]
    """−1, 0 and 1 as they are, for exports: QONNX's `Quant` to 2 bits, narrow, of scale 1."""

    scaling_const = 1.0


class BipolarActivation(SignedBinaryActPerTensorConst):  # type: ignore[misc]
    """Real → ±1 with the gradient of hard tanh, for Brevitas' own layers and for exports."""

    scaling_const = 1.0


class SignedInteger(IntQuant, ActQuantSolver):  # type: ignore[misc]
    """Signed integers with scale max(|min_val|, |max_val|) / 2^(bit_width − 1)."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    restrict_scaling_type = RestrictValueType.FP


class Sign(QuantIdentity):  # type: ignore[misc]
    """Activation layer: float32 of any shape → ±1 float32 of that shape.

    Gradient: g · 1{|x| <= 1}, that of hard tanh ("Binarized Neural Networks", Hubara et al.
    2016, equation 4).
    """

    def __init__(self) -> None:
        super().__init__(act_quant=BipolarActivation, return_quant_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = super().forward(x) if self.act_quant.export_mode else self.surrogate(x)
        return out

    def surrogate(self, x: Tensor) -> Tensor:
        """The layer outside an export: ±1, with the layer's gradient."""
        out: Tensor = ClippedSign.apply(x, 1.0)  # type: ignore[no-untyped-call]
        return out


class BirealBinaryActivation(Sign):
    """Activation layer: float32 of any shape → ±1 float32 of that shape.

    Gradient: g · max(2 − 2|x|, 0), the derivative of Bi-Real Net's piecewise quadratic
    approximation of the sign ("Bi-Real Net", Liu et al. 2018, section 3.3, equation 3). It is close
    to the sign's own where it matters, near 0, at twice the slope of hard tanh.
    """

    def surrogate(self, x: Tensor) -> Tensor:
        """See `Sign.surrogate`."""
        out: Tensor = BirealSign.apply(x)  # type: ignore[no-untyped-call]
        return out


class StraightThroughBinaryActivation(Sign):
    """Activation layer with a straight-through gradient, over the sign or over x itself.

    Args:
        method: SIGN: float32 of any shape → ±1. FLOAT: the numbers as they are, for a
            full-precision twin.
        clip: None: the gradient passes as it is ("Estimating or Propagating Gradients",
            Bengio et al. 2013). Otherwise it is 0 where |x| > clip. 1 with SIGN is
            the same as `Sign`.

    Raises:
        ConfigError: another method, or a clip that is not positive.
    """

    def __init__(
        self, method: ActivationMethod = ActivationMethod.SIGN, *, clip: float | None = None
    ) -> None:
        if method not in (ActivationMethod.SIGN, ActivationMethod.FLOAT):
            raise ConfigError(
                f"StraightThroughBinaryActivation: wanted method sign or float, got {method.value}",
                remedy="BirealBinaryActivation has Bi-Real Net's gradient",
            )
        if clip is not None and not clip > 0:
            raise ConfigError(
                f"StraightThroughBinaryActivation: wanted a clip above 0, got {clip}",
                remedy="None lets every gradient pass",
            )
        super().__init__()
        self.method, self.clip = method, clip
        self.act_quant.disable_quant = method is ActivationMethod.FLOAT

    def surrogate(self, x: Tensor) -> Tensor:
        """See `Sign.surrogate`."""
        out: Tensor
        if self.clip is None:
            keep = self.method is ActivationMethod.FLOAT
            out = x if keep else StraightThroughSign.apply(x)  # type: ignore[no-untyped-call]
        else:
            function = ClippedIdentity if self.method is ActivationMethod.FLOAT else ClippedSign
            out = function.apply(x, self.clip)  # type: ignore[no-untyped-call]
        return out


class ResidualQuantiser(QuantIdentity):  # type: ignore[misc]
    """Activation layer: float32 of any shape → the nearest number of a residual stream.

    x → scale · clamp(round(x / scale), −2^(bits−1), 2^(bits−1) − 1), rounding half to even.
    Exports as one QONNX `Quant`: signed, not narrow, zero point 0. Gradient: g where nothing was
    clamped, 0 elsewhere.

    Args:
        config: the numbers of the stream.
    """

    def __init__(self, config: ResidualConfig) -> None:
        low, high = config.low * config.scale, config.high * config.scale
        quantiser = SignedInteger.let(bit_width=config.bits, min_val=low, max_val=high)
        super().__init__(act_quant=quantiser, return_quant_tensor=False)
        self.config = config

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor
        if self.act_quant.export_mode:
            out = super().forward(x)
        else:
            config = self.config
            out = StraightThroughRound.apply(  # type: ignore[no-untyped-call]
                x, config.scale, config.low, config.high
            )
        return out


def activation_layer(method: ActivationMethod) -> Sign | None:
    """The layer that binarises by `method`; None where numbers stay as they are."""
    match method:
        case ActivationMethod.SIGN:
            return StraightThroughBinaryActivation()
        case ActivationMethod.CLIPPED:
            return Sign()
        case ActivationMethod.BIREAL:
            return BirealBinaryActivation()
        case ActivationMethod.NONE | ActivationMethod.FLOAT:
            return None
