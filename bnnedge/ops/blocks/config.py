"""The choices that blocks offer."""

import enum

from bnnedge.ops.config import ActivationMethod, BinarizeConfig, WeightScale


class LayerOrder(enum.Enum):
    """Where the BatchNorm stands."""

    CONV_BN_RELU = "conv_bn_relu"
    BN_CONV_RELU = "bn_conv_relu"


class Reduction(enum.Enum):
    """How a block of stride 2 halves its images."""

    CONV = "conv"
    """A convolution of stride 2."""
    FACTORIZED = "factorized"
    """Two of them with half the filters each, the second on images shifted by one pixel."""


class Downsample(enum.Enum):
    """What the shortcut of a residual block is where it cannot be the identity."""

    CONV = "conv"
    """1x1 float convolution, BatchNorm, ReLU."""
    AVGPOOL = "avgpool"
    """`ResNetDownSample`: every second pixel, and zeros for the new channels."""
    BINARY_CONV = "binary_conv"
    """3x3 binary convolution, BatchNorm, ReLU."""
    MEAN = "mean"
    """`SkipConnectV2`: mean of 2x2 pixels, for twice the channels that twice."""


BLOCK = BinarizeConfig(activation=ActivationMethod.CLIPPED, weight_scale=WeightScale.SIGN)
"""What blocks do where nothing else is asked for: sign on both sides, hard tanh's gradient."""
