"""The residual block of binary ResNets."""

from torch import Tensor, nn

from bnnedge.errors import ConfigError
from bnnedge.ops.blocks.config import BLOCK, Downsample, LayerOrder
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.blocks.skip import ResNetDownSample, SkipConnectV2
from bnnedge.ops.config import BinarizeConfig, PaddingMode, ResidualConfig
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.quantisers import ResidualQuantiser
from bnnedge.ops.shapes import require_images, require_stride


class BinaryResNetBlock(nn.Module):
    """Real images (N, C, H, W) → real images (N, out_channels, H', W'), H' = ⌈H / stride⌉.

    inner = first(x) + skip(x), out = second(inner) + inner: a shortcut around each of two
    `BinaryConvBNReLU`, as in "Bi-Real Net" (Liu et al. 2018, section 3.2). Those have none of
    their own, so nothing is added twice.

    With `residual` the block takes and gives a residual stream of integers: what each convolution
    gives, what the shortcut computes, and either sum passes a `ResidualQuantiser`.

    Args:
        in_channels: C.
        out_channels: channels of the result.
        stride: 1 or 2, of the first convolution.
        kernel_size: odd.
        downsample: the first shortcut, where stride or channels change; else it is the identity.
        order: where the BatchNorms of both convolutions stand.
        relu: whether each convolution ends in a ReLU; with CONV_BN_RELU and the identity as
            shortcut the next block's sign would see nothing below 0.
        padding_mode: what the convolutions pad with.
        binarize: how the convolutions binarise.
        residual: the integers of the stream; None leaves real numbers.

    Raises:
        ConfigError: a choice out of range or one that does not fit the others; when called, images
            of other channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        downsample: Downsample = Downsample.CONV,
        order: LayerOrder = LayerOrder.CONV_BN_RELU,
        relu: bool = False,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        binarize: BinarizeConfig = BLOCK,
        residual: ResidualConfig | None = None,
    ) -> None:
        super().__init__()
        require_stride("BinaryResNetBlock", stride)
        self.in_channels = in_channels

        def binary(channels: int, kernel: int, stride: int) -> BinaryConvBNReLU:
            return BinaryConvBNReLU(
                channels,
                out_channels,
                kernel,
                stride=stride,
                order=order,
                relu=relu,
                padding_mode=padding_mode,
                binarize=binarize,
                residual=residual,
            )

        self.first = binary(in_channels, kernel_size, stride)
        self.second = binary(out_channels, kernel_size, 1)
        self.skip: nn.Module
        if stride == 1 and in_channels == out_channels:
            self.skip = nn.Identity()
        elif downsample is Downsample.BINARY_CONV:
            self.skip = binary(in_channels, 3, stride)
        else:
            self.skip = _real_skip(downsample, in_channels, out_channels, stride, residual)
        self.inner_quant = None if residual is None else ResidualQuantiser(residual)
        self.quant = None if residual is None else ResidualQuantiser(residual)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        require_images("BinaryResNetBlock", x, self.in_channels)
        inner: Tensor = self.first(x) + self.skip(x)
        if self.inner_quant is not None:
            inner = self.inner_quant(inner)
        out: Tensor = self.second(inner) + inner
        return out if self.quant is None else self.quant(out)


def _real_skip(
    downsample: Downsample,
    in_channels: int,
    out_channels: int,
    stride: int,
    residual: ResidualConfig | None,
) -> nn.Module:
    """A shortcut that changes stride or channels, and does not binarise what passes it.

    Raises:
        ConfigError: it cannot do so.
    """
    if downsample is Downsample.CONV:
        if residual is not None:
            raise ConfigError(
                "BinaryResNetBlock: downsample conv gives no integers, wanted a stream of them",
                remedy="choose downsample avgpool, mean or binary_conv",
            )
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            AffineBatchNorm(out_channels),
            nn.ReLU(),
        )
    if downsample is Downsample.MEAN:
        return SkipConnectV2(in_channels, out_channels, stride=stride, residual=residual)
    if stride == 2 and out_channels == 2 * in_channels:
        return ResNetDownSample()
    raise ConfigError(
        f"BinaryResNetBlock: downsample avgpool wanted stride 2 and {2 * in_channels} "
        f"output channels, got stride {stride} and {out_channels}",
        remedy="downsample conv or binary_conv takes any",
    )
