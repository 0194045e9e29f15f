"""The plain block of binary VGGs."""

from torch import Tensor, nn

from bnnedge.ops.blocks.config import BLOCK, LayerOrder
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.blocks.skip import halving_pool
from bnnedge.ops.config import BinarizeConfig, PaddingMode
from bnnedge.ops.shapes import require_stride


class BinaryVggBlock(nn.Module):
    """Real images (N, C, H, W) → real images (N, out_channels, H', W'), H' = ⌈H / stride⌉.

    A `BinaryConvBNReLU` of stride 1 without shortcut; for stride 2 `halving_pool` behind it.

    Args:
        in_channels: C.
        out_channels: filters.
        stride: 1 or 2.
        kernel_size: odd.
        order: where the BatchNorm stands.
        relu: whether there is a ReLU in front of the pool.
        padding_mode: what the convolution pads with.
        binarize: how the convolution binarises.

    Raises:
        ConfigError: a choice out of range; when called, images of other channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        kernel_size: int = 3,
        order: LayerOrder = LayerOrder.CONV_BN_RELU,
        relu: bool = False,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        binarize: BinarizeConfig = BLOCK,
    ) -> None:
        super().__init__()
        require_stride("BinaryVggBlock", stride)
        self.conv = BinaryConvBNReLU(
            in_channels,
            out_channels,
            kernel_size,
            order=order,
            relu=relu,
            padding_mode=padding_mode,
            binarize=binarize,
        )
        self.pool = halving_pool() if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.conv(x)
        return out if self.pool is None else self.pool(out)
