"""Shortcuts around binary convolutions."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.blocks.config import BLOCK
from bnnedge.ops.config import BinarizeConfig, PaddingMode, ResidualConfig
from bnnedge.ops.conv import BinaryConv2d
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.quantisers import ResidualQuantiser
from bnnedge.ops.shapes import require_images, require_stride


def halving_pool() -> nn.AvgPool2d:
    """Mean over 2×2 pixels: (N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉).

    At the edge of an odd size it is the mean of the pixels that are there, so that a shortcut is
    as large as the output of a padded convolution of stride 2.
    """
    return nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)


class SkipConnectV2(nn.Module):
    """Real images (N, C, H, W) → what is added to a convolution's output.

    * stride 1: the images themselves.
    * stride 2: `halving_pool`; for twice the channels, that twice, one behind the other.
    * stride 2 with `conv_downsample`: `halving_pool`, then a 3×3 binary convolution and a
      BatchNorm, to any number of channels.

    With `residual`, `ResidualQuantiser` follows the mean, or the BatchNorm where there is one; with
    stride 1 the images are such integers already.

    Args:
        in_channels: C.
        out_channels: channels of the result.
        stride: 1 or 2.
        conv_downsample: see above; stride 2 only.
        padding_mode: what the convolution pads with.
        binarize: how the convolution binarises.
        residual: the integers of a residual stream; None leaves real numbers.

    Raises:
        ConfigError: channels or stride that the shortcut cannot make; when called, images of other
            channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        conv_downsample: bool = False,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        binarize: BinarizeConfig = BLOCK,
        residual: ResidualConfig | None = None,
    ) -> None:
        super().__init__()
        require_stride("SkipConnectV2", stride)
        if stride == 1:
            _require_channels(in_channels, out_channels, (1,), "stride 1")
            if conv_downsample:
                raise ConfigError("SkipConnectV2: wanted stride 2 with conv_downsample, got 1")
        elif not conv_downsample:
            _require_channels(in_channels, out_channels, (1, 2), "stride 2")
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        if stride == 2:
            self.pool = halving_pool()
        self.conv: nn.Sequential | None = None
        if conv_downsample:
            self.conv = nn.Sequential(
                BinaryConv2d(
                    in_channels,
                    out_channels,
                    3,
                    padding=1,
                    padding_mode=padding_mode,
                    binarize=binarize,
                ),
                AffineBatchNorm(out_channels),
            )
        self.quant = ResidualQuantiser(residual) if residual is not None and stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        require_images("SkipConnectV2", x, self.in_channels)
        if self.stride == 1:
            return x
        out: Tensor = self.pool(x)
        if self.conv is not None:
            out = self.conv(out)
        if self.quant is not None:
            out = self.quant(out)
        twice = self.conv is None and self.out_channels == 2 * self.in_channels
        return torch.cat((out, out), dim=1) if twice else out


class ResNetDownSample(nn.Module):
    """Images (N, C, H, W) → every second pixel, and C channels of zeros: (N, 2·C, ⌈H/2⌉, ⌈W/2⌉).

    The parameter-free shortcut, option A, of "Deep Residual Learning" (He et al. 2016), section
    4.2 on CIFAR-10. It computes nothing: integers of a residual stream stay such integers.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if x.dim() != 4:
            raise ConfigError(f"ResNetDownSample: wanted (N, C, H, W), got {tuple(x.shape)}")
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def _require_channels(before: int, after: int, factors: tuple[int, ...], case: str) -> None:
    if after not in [factor * before for factor in factors]:
        wanted = " or ".join(str(factor * before) for factor in factors)
        raise ConfigError(
            f"SkipConnectV2: with {case} and {before} input channels wanted {wanted} output "
            f"channels, got {after}",
            remedy="stride 2 with conv_downsample takes any",
        )
