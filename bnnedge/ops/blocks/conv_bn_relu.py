"""The basic block: a binary convolution, its BatchNorm, and what may stand around them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.blocks.config import BLOCK, LayerOrder, Reduction
from bnnedge.ops.blocks.skip import SkipConnectV2
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, PaddingMode, ResidualConfig
from bnnedge.ops.conv import BORDER, BinaryConv2d
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.quantisers import ResidualQuantiser, activation_layer
from bnnedge.ops.shapes import require_images, require_stride


class FactorizedConv2d(nn.Module):
    """Two binary convolutions of stride 2 that share the filters and see all pixels between them.

    Real images (N, C, H, W) → (N, out_channels, ⌈H/2⌉, ⌈W/2⌉): the first half of the filters on
    the images, the second on the images shifted by one pixel down and right. Images of odd size
    get a row on top and a column on the left; it has the border's value, and comes behind the
    binarisation as every padding does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        padding_mode: PaddingMode,
        dilation: int,
        groups: int,
        binarize: BinarizeConfig,
    ) -> None:
        super().__init__()
        if out_channels % 2:
            raise ConfigError(
                f"FactorizedConv2d: wanted an even number of output channels, got {out_channels}"
            )
        self.sign = activation_layer(binarize.activation)
        self.border = BORDER[padding_mode]
        behind_sign = BinarizeConfig(
            activation=ActivationMethod.NONE, weight_scale=binarize.weight_scale
        )
        self.convs = nn.ModuleList(
            BinaryConv2d(
                in_channels,
                out_channels // 2,
                kernel_size,
                stride=2,
                padding=dilation * (kernel_size - 1) // 2,
                padding_mode=padding_mode,
                dilation=dilation,
                groups=groups,
                binarize=behind_sign,
            )
            for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.sign is not None:
            x = self.sign(x)
        top, left = (size % 2 for size in x.shape[2:])
        if top or left:
            x = functional.pad(x, (left, 0, top, 0), value=self.border)
        first, second = self.convs
        return torch.cat((first(x), second(x[:, :, 1:, 1:])), dim=1)


class BinaryConvBNReLU(nn.Module):
    """Real images (N, C, H, W) → real images (N, out_channels, H', W'), H' = ⌈H / stride⌉.

    CONV_BN_RELU: ReLU(BatchNorm(conv(x) + shortcut(x))); BN_CONV_RELU:
    ReLU(conv(BatchNorm(x)) + shortcut(x)). The shortcut is `SkipConnectV2` of the block's own
    input in both, so real numbers pass it untouched.

    The ReLU is off unless asked for: where the next thing is a sign, as at the front of another
    CONV_BN_RELU block, sign(ReLU(x)) = +1 whatever x is. In front of a BatchNorm it is harmless.

    With `residual`, `ResidualQuantiser` ends the block, so that it can be added to such a stream.

    Args:
        in_channels: C.
        out_channels: filters.
        kernel_size: odd; the padding keeps the size.
        stride: 1 or 2.
        dilation: distance between taps.
        groups: independent parts of the channels.
        order: where the BatchNorm stands.
        relu: whether there is a ReLU at the end; see above.
        shortcut: whether there is a shortcut; none with `residual`, whose sums are quantised too.
        reduction: how stride 2 is done.
        padding_mode: what the convolution pads with.
        binarize: how the convolution binarises.
        residual: the integers of a residual stream; None leaves real numbers.

    Raises:
        ConfigError: a choice out of range or one that does not fit the others; when called, images
            of other channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        order: LayerOrder = LayerOrder.CONV_BN_RELU,
        relu: bool = False,
        shortcut: bool = False,
        reduction: Reduction = Reduction.CONV,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        binarize: BinarizeConfig = BLOCK,
        residual: ResidualConfig | None = None,
    ) -> None:
        super().__init__()
        require_stride("BinaryConvBNReLU", stride)
        if shortcut and residual is not None:
            raise ConfigError(
                "BinaryConvBNReLU: wanted no shortcut with a residual stream of integers",
                remedy="BinaryResNetBlock has shortcuts around it whose sums are integers too",
            )
        if kernel_size % 2 == 0:
            raise ConfigError(f"BinaryConvBNReLU: wanted an odd kernel_size, got {kernel_size}")
        if reduction is Reduction.FACTORIZED and stride != 2:
            raise ConfigError(
                "BinaryConvBNReLU: wanted stride 2 with a factorized reduction, got 1"
            )
        self.in_channels = in_channels
        self.order = order
        before = order is LayerOrder.BN_CONV_RELU
        self.norm = AffineBatchNorm(in_channels if before else out_channels)
        self.conv: nn.Module
        alike: dict[str, Any] = {
            "padding_mode": padding_mode,
            "dilation": dilation,
            "groups": groups,
            "binarize": binarize,
        }
        if reduction is Reduction.FACTORIZED:
            self.conv = FactorizedConv2d(in_channels, out_channels, kernel_size, **alike)
        else:
            padding = dilation * (kernel_size - 1) // 2
            self.conv = BinaryConv2d(
                in_channels, out_channels, kernel_size, stride=stride, padding=padding, **alike
            )
        self.shortcut = (
            SkipConnectV2(in_channels, out_channels, stride=stride) if shortcut else None
        )
        self.relu = nn.ReLU() if relu else None
        self.quant = None if residual is None else ResidualQuantiser(residual)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        require_images("BinaryConvBNReLU", x, self.in_channels)
        before = self.order is LayerOrder.BN_CONV_RELU
        out: Tensor = self.conv(self.norm(x) if before else x)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        if not before:
            out = self.norm(out)
        if self.relu is not None:
            out = self.relu(out)
        return out if self.quant is None else self.quant(out)
