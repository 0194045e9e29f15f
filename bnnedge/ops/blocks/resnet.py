"""The residual block of binary ResNets."""

from torch import Tensor, nn

from bnnedge.errors import ConfigError
from bnnedge.ops.blocks.config import BLOCK, Downsample, LayerOrder
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.blocks.skip import ResNetDownSample
from bnnedge.ops.config import BinarizeConfig, PaddingMode
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.shapes import require_images, require_stride


class BinaryResNetBlock(nn.Module):
    """Real images (N, C, H, W) → real images (N, out_channels, H', W'), H' = ⌈H / stride⌉.

    inner = first(x) + skip(x), out = second(inner) + inner: a shortcut around each of two
    `BinaryConvBNReLU`, as in "Bi-Real Net" (Liu et al. 2018, section 3.2). Those have none of
    their own, so nothing is added twice.

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
            )

        self.first = binary(in_channels, kernel_size, stride)
        self.second = binary(out_channels, kernel_size, 1)
        self.skip: nn.Module
        if stride == 1 and in_channels == out_channels:
            self.skip = nn.Identity()
        elif downsample is Downsample.CONV:
            self.skip = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                AffineBatchNorm(out_channels),
                nn.ReLU(),
            )
        elif downsample is Downsample.BINARY_CONV:
            self.skip = binary(in_channels, 3, stride)
        elif stride == 2 and out_channels == 2 * in_channels:
            self.skip = ResNetDownSample()
        else:
            raise ConfigError(
                f"BinaryResNetBlock: downsample avgpool wanted stride 2 and {2 * in_channels} "
                f"output channels, got stride {stride} and {out_channels}",
                remedy="downsample conv or binary_conv takes any",
            )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        require_images("BinaryResNetBlock", x, self.in_channels)
        inner: Tensor = self.first(x) + self.skip(x)
        out: Tensor = self.second(inner) + inner
        return out
