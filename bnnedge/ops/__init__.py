"""Binarised building blocks in PyTorch: quantisers, layers, normalisations, input encodings.

One file per kind of block. torch and Brevitas are imported with the first name that is used.
"""

from typing import TYPE_CHECKING

from bnnedge.lazy import lazily

if TYPE_CHECKING:
    from bnnedge.ops.binarize import Binarize as Binarize
    from bnnedge.ops.binop import BinOp as BinOp
    from bnnedge.ops.binop import GradientFactor as GradientFactor
    from bnnedge.ops.binop import inner_convolutions as inner_convolutions
    from bnnedge.ops.binop import inner_layers as inner_layers
    from bnnedge.ops.blocks.config import Downsample as Downsample
    from bnnedge.ops.blocks.config import LayerOrder as LayerOrder
    from bnnedge.ops.blocks.config import Reduction as Reduction
    from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU as BinaryConvBNReLU
    from bnnedge.ops.blocks.conv_bn_relu import FactorizedConv2d as FactorizedConv2d
    from bnnedge.ops.blocks.nin import NIN as NIN
    from bnnedge.ops.blocks.resnet import BinaryResNetBlock as BinaryResNetBlock
    from bnnedge.ops.blocks.skip import ResNetDownSample as ResNetDownSample
    from bnnedge.ops.blocks.skip import SkipConnectV2 as SkipConnectV2
    from bnnedge.ops.blocks.vgg import BinaryVggBlock as BinaryVggBlock
    from bnnedge.ops.config import ActivationMethod as ActivationMethod
    from bnnedge.ops.config import BinarizeConfig as BinarizeConfig
    from bnnedge.ops.config import PaddingMode as PaddingMode
    from bnnedge.ops.config import ResidualConfig as ResidualConfig
    from bnnedge.ops.config import WeightLevels as WeightLevels
    from bnnedge.ops.config import WeightScale as WeightScale
    from bnnedge.ops.conv import BinaryConv1d as BinaryConv1d
    from bnnedge.ops.conv import BinaryConv2d as BinaryConv2d
    from bnnedge.ops.encoding import PixelInput as PixelInput
    from bnnedge.ops.encoding import ThresholdEncoding as ThresholdEncoding
    from bnnedge.ops.linear import BinaryLinear as BinaryLinear
    from bnnedge.ops.lut_layer import LutLayer as LutLayer
    from bnnedge.ops.normalisation import AffineBatchNorm as AffineBatchNorm
    from bnnedge.ops.normalisation import ScalarNorm as ScalarNorm
    from bnnedge.ops.pools import GlobalSumPool as GlobalSumPool
    from bnnedge.ops.pools import SumPool1d as SumPool1d
    from bnnedge.ops.pools import SumPool2d as SumPool2d
    from bnnedge.ops.quantisers import BipolarActivation as BipolarActivation
    from bnnedge.ops.quantisers import BipolarWeight as BipolarWeight
    from bnnedge.ops.quantisers import BirealBinaryActivation as BirealBinaryActivation
    from bnnedge.ops.quantisers import ResidualQuantiser as ResidualQuantiser
    from bnnedge.ops.quantisers import Sign as Sign
    from bnnedge.ops.quantisers import (
        StraightThroughBinaryActivation as StraightThroughBinaryActivation,
    )
    from bnnedge.ops.react import RPReLU as RPReLU
    from bnnedge.ops.react import RSign as RSign
    from bnnedge.ops.sparse_linear import SparseLinear as SparseLinear

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "binarize": ("Binarize",),
        "binop": (
            "BinOp",
            "GradientFactor",
            "inner_convolutions",
            "inner_layers",
        ),
        "blocks.config": (
            "Downsample",
            "LayerOrder",
            "Reduction",
        ),
        "blocks.conv_bn_relu": (
            "BinaryConvBNReLU",
            "FactorizedConv2d",
        ),
        "blocks.nin": ("NIN",),
        "blocks.resnet": ("BinaryResNetBlock",),
        "blocks.skip": (
            "ResNetDownSample",
            "SkipConnectV2",
        ),
        "blocks.vgg": ("BinaryVggBlock",),
        "config": (
            "ActivationMethod",
            "BinarizeConfig",
            "PaddingMode",
            "ResidualConfig",
            "WeightLevels",
            "WeightScale",
        ),
        "conv": (
            "BinaryConv1d",
            "BinaryConv2d",
        ),
        "encoding": (
            "PixelInput",
            "ThresholdEncoding",
        ),
        "linear": ("BinaryLinear",),
        "lut_layer": ("LutLayer",),
        "normalisation": (
            "AffineBatchNorm",
            "ScalarNorm",
        ),
        "pools": (
            "GlobalSumPool",
            "SumPool1d",
            "SumPool2d",
        ),
        "quantisers": (
            "BipolarActivation",
            "BipolarWeight",
            "BirealBinaryActivation",
            "ResidualQuantiser",
            "Sign",
            "StraightThroughBinaryActivation",
        ),
        "react": (
            "RPReLU",
            "RSign",
        ),
        "sparse_linear": ("SparseLinear",),
    },
)
