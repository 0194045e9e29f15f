"""Convolutions with ±1 weights."""

from collections.abc import Callable, Mapping

from brevitas.nn import QuantConv1d, QuantConv2d
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.config import BinarizeConfig, PaddingMode
from bnnedge.ops.shapes import pair, require_images
from bnnedge.ops.weights import DEFAULT, BinaryWeights, weight_quantiser

BORDER = {PaddingMode.MINUS_ONE: -1.0, PaddingMode.PLUS_ONE: 1.0, PaddingMode.ZERO: 0.0}
_SUMS: Mapping[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d}


class BinaryConvolution(BinaryWeights):
    """What convolutions over rows and over images share; see `BinaryConv2d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        *,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        padding_mode: PaddingMode,
        dilation: tuple[int, ...],
        groups: int,
        binarize: BinarizeConfig,
    ) -> None:
        name = type(self).__name__
        smallest = min(in_channels, out_channels, groups, *kernel_size, *stride, *dilation)
        if smallest < 1 or min(padding) < 0:
            raise ConfigError(f"{name}: wanted sizes of at least 1 and padding of at least 0")
        if in_channels % groups or out_channels % groups:
            raise ConfigError(
                f"{name}: wanted channels that {groups} groups divide, "
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
            sides = [size for size in reversed(padding) for _ in range(2)]  # the last axis first
            x = functional.pad(x, sides, value=BORDER[self.border])
            padding = (0,) * len(padding)
        weight, add_up = self._multiplied_weight(), _SUMS[len(padding)]
        out = add_up(x, weight, None, self.stride, padding, self.dilation, self.groups)
        scale = self.weight_scale()
        return out if scale is None else out * scale.reshape(-1, *[1] * len(padding))

    def _check(self, x: Tensor) -> None:
        name = type(self).__name__
        require_images(name, x, self.in_channels, axes=len(self.kernel_size))
        for size, kernel, padding, dilation in zip(
            x.shape[2:], self.kernel_size, self.padding, self.dilation, strict=True
        ):
            if size + 2 * padding < dilation * (kernel - 1) + 1:
                what = "rows" if len(self.kernel_size) == 1 else "images"
                raise ConfigError(
                    f"{name}: wanted {what} of at least "
                    f"{dilation * (kernel - 1) + 1 - 2 * padding} pixels, got {tuple(x.shape)}"
                )


class BinaryConv2d(BinaryConvolution, QuantConv2d):  # type: ignore[misc]
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
        super().__init__(
            in_channels,
            out_channels,
            pair(kernel_size),
            stride=pair(stride),
            padding=pair(padding),
            padding_mode=padding_mode,
            dilation=pair(dilation),
            groups=groups,
            binarize=binarize,
        )


class BinaryConv1d(BinaryConvolution, QuantConv1d):  # type: ignore[misc]
    """±1 rows (N, C, L) → signed accumulators (N, out_channels, L'), float32 integers.

    `BinaryConv2d` along one axis, such as time: options and errors are its own.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        dilation: int = 1,
        groups: int = 1,
        binarize: BinarizeConfig = DEFAULT,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            (kernel_size,),
            stride=(stride,),
            padding=(padding,),
            padding_mode=padding_mode,
            dilation=(dilation,),
            groups=groups,
            binarize=binarize,
        )
