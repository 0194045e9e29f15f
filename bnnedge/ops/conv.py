"""Convolutions with ±1 weights."""

from brevitas.nn import QuantConv2d
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.config import BinarizeConfig, PaddingMode
from bnnedge.ops.shapes import pair, require_images
from bnnedge.ops.weights import DEFAULT, BinaryWeights, weight_quantiser

BORDER = {PaddingMode.MINUS_ONE: -1.0, PaddingMode.PLUS_ONE: 1.0, PaddingMode.ZERO: 0.0}


class BinaryConv2d(BinaryWeights, QuantConv2d):  # type: ignore[misc]
    """±1 images (N, C, H, W) → signed accumulators (N, out_channels, H', W'), float32 integers.

    No bias: a BatchNorm follows. `weight` (out_channels, C / groups, rows, columns) holds the
    latent weights, started uniformly in [−1, 1]. Inputs are binarised first, where the layer does
    that, then padded: the border is −1 or +1 exactly, an explicit `Pad` in an export. ZERO is the
    convolution's own padding; it makes ±1 images ternary at the border, and is the right one for
    integer-valued inputs.

    Args:
        in_channels: C.
        out_channels: number of filters.
        kernel_size: side of a filter, or rows and columns; likewise the next three.
        stride: step between windows.
        padding: rows and columns on every side.
        padding_mode: what they hold.
        dilation: distance between taps.
        groups: C and out_channels are split into this many independent parts; C is depthwise.
        binarize: what becomes of the inputs and the weights. With a weight scale α the outputs
            are the accumulators times α; with float weights or inputs they are real sums.

    Raises:
        ConfigError: channels that groups do not divide; sizes out of range; when called, images
            of other channels, or smaller than one window.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        binarize: BinarizeConfig = DEFAULT,
    ) -> None:
        kernel_size, stride, dilation = pair(kernel_size), pair(stride), pair(dilation)
        padding = pair(padding)
        smallest = min(in_channels, out_channels, groups, *kernel_size, *stride, *dilation)
        if smallest < 1 or min(padding) < 0:
            raise ConfigError("BinaryConv2d: wanted sizes of at least 1 and padding of at least 0")
        if in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"BinaryConv2d: wanted channels that {groups} groups divide, "
                f"got {in_channels} and {out_channels}"
            )
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
            weight_quant=weight_quantiser(binarize),
        )
        self.border = padding_mode  # `padding_mode` is torch's own, which knows none of ours
        self._set_up(binarize)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        self._check(x)
        if self.sign is not None:
            x = self.sign(x)
        padding = self.padding
        if self.border is not PaddingMode.ZERO and any(padding):
            rows, columns = padding
            x = functional.pad(x, (columns, columns, rows, rows), value=BORDER[self.border])
            padding = (0, 0)
        weight = self._multiplied_weight()
        out = functional.conv2d(x, weight, None, self.stride, padding, self.dilation, self.groups)
        scale = self.weight_scale()
        return out if scale is None else out * scale.reshape(-1, 1, 1)

    def _check(self, x: Tensor) -> None:
        require_images("BinaryConv2d", x, self.in_channels)
        for size, kernel, padding, dilation in zip(
            x.shape[2:], self.kernel_size, self.padding, self.dilation, strict=True
        ):
            if size + 2 * padding < dilation * (kernel - 1) + 1:
                raise ConfigError(
                    "BinaryConv2d: wanted images of at least "
                    f"{dilation * (kernel - 1) + 1 - 2 * padding} pixels, got {tuple(x.shape)}"
                )
