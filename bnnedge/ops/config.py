"""How activations and weights are binarised, as values. Needs no torch: recipes read it."""

import enum
import math
from dataclasses import dataclass

from bnnedge.errors import ConfigError

MOST_TABLE_INPUTS = 8
"""Of a table of bits, as the Dataflow has it."""


class ActivationMethod(enum.Enum):
    """What becomes of a layer's input in front of its weights."""

    NONE = "none"
    """Nothing: the input is ±1 already, or integer-valued in a first layer."""
    SIGN = "sign"
    """Sign; the gradient passes straight through."""
    CLIPPED = "clipped"
    """Sign; the gradient of hard tanh, 1 for |x| <= 1 and 0 beyond."""
    BIREAL = "bireal"
    """Sign; Bi-Real Net's gradient, 2 - 2|x| for |x| < 1 and 0 beyond."""
    FLOAT = "float"
    """The real number itself, for a full-precision twin of a network."""


class WeightScale(enum.Enum):
    """How a latent weight w becomes the weight that a layer multiplies with."""

    OFF = "off"
    """w itself: full precision."""
    SIGN = "sign"
    """sign(w), as in BinaryConnect."""
    TENSOR = "tensor"
    """mean|w| · sign(w), with one mean for the whole layer."""
    CHANNEL = "channel"
    """mean|w| · sign(w) per output channel, with XNOR-Net's full gradient."""
    BIREAL = "bireal"
    """mean|w| · sign(w) per output channel, the mean taken as a constant by the gradient."""


class WeightLevels(enum.Enum):
    """Which values a weight takes."""

    BINARY = "binary"
    """-1 and 1."""
    TERNARY = "ternary"
    """-1, 0 and 1."""


class PaddingMode(enum.Enum):
    """What stands around an image."""

    MINUS_ONE = "minus_one"
    PLUS_ONE = "plus_one"
    ZERO = "zero"


_SCALE_CODES = {
    -1: WeightScale.OFF,
    0: WeightScale.SIGN,
    1: WeightScale.TENSOR,
    2: WeightScale.CHANNEL,
    3: WeightScale.BIREAL,
}
_ACTIVATION_CODES = {
    -1: ActivationMethod.FLOAT,
    0: ActivationMethod.SIGN,
    1: ActivationMethod.BIREAL,
}


@dataclass(frozen=True, kw_only=True)
class BinarizeConfig:
    """How one layer binarises.

    Attributes:
        activation: what becomes of its input.
        weight_scale: what becomes of its weights.
        levels: which values weights take before that.

    Raises:
        ConfigError: ternary weights with a scale that follows from them.
    """

    activation: ActivationMethod = ActivationMethod.NONE
    weight_scale: WeightScale = WeightScale.SIGN
    levels: WeightLevels = WeightLevels.BINARY

    def __post_init__(self) -> None:
        scaled = self.weight_scale is not WeightScale.SIGN
        if self.levels is WeightLevels.TERNARY and scaled:
            raise ConfigError(
                f'ternary weights want weight_scale "sign", got "{self.weight_scale.value}"',
                remedy="the BatchNorm behind them scales",
            )

    @classmethod
    def from_codes(cls, bi_w_scale: int, bi_act_method: int) -> "BinarizeConfig":
        """The configuration behind older code's integers.

        Args:
            bi_w_scale: −1 OFF, 0 SIGN, 1 TENSOR, 2 CHANNEL, 3 BIREAL.
            bi_act_method: −1 FLOAT, 0 SIGN, 1 BIREAL.

        Raises:
            ConfigError: another number.
        """
        if bi_w_scale not in _SCALE_CODES:
            raise ConfigError(f"bi_w_scale: wanted one of {sorted(_SCALE_CODES)}, got {bi_w_scale}")
        if bi_act_method not in _ACTIVATION_CODES:
            raise ConfigError(
                f"bi_act_method: wanted one of {sorted(_ACTIVATION_CODES)}, got {bi_act_method}"
            )
        return cls(
            activation=_ACTIVATION_CODES[bi_act_method], weight_scale=_SCALE_CODES[bi_w_scale]
        )


@dataclass(frozen=True, kw_only=True)
class ResidualConfig:
    """The integers of a residual stream: scale · {−2^(bits−1), …, 2^(bits−1) − 1}.

    float32 adds them, and takes the mean of two or four of them, without rounding.

    Attributes:
        bits: width of the signed integers.
        scale: what 1 stands for; a power of two.

    Raises:
        ConfigError: a value is out of range.
    """

    bits: int = 4
    scale: float = 0.5

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise ConfigError(f"a residual stream wants 2…8 bits, got {self.bits}")
        is_power = 2.0**-16 <= self.scale <= 2.0**16 and math.frexp(self.scale)[0] == 0.5
        if not is_power:
            raise ConfigError(
                "a residual stream wants a power of two from 2^-16 to 2^16 as scale, "
                f"got {self.scale}",
                remedy="0.5 and 4 bits reach from -4 to 3.5",
            )

    @property
    def low(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1
