"""Convolutions with ±1 weights."""

from brevitas.nn import QuantConv2d
from torch import Tensor
from torch.nn import functional

from bnnedge.ops.config import BinarizeConfig, PaddingMode, WeightScale
from bnnedge.ops.quantisers import BipolarWeight
from bnnedge.ops.weights import BinaryWeights

_VALUES = {PaddingMode.MINUS_ONE: -1.0, PaddingMode.PLUS_ONE: 1.0, PaddingMode.ZERO: 0.0}


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


class BinaryConv2d(BinaryWeights, QuantConv2d):  # type: ignore[misc]
    """±1 images (N, C, H, W) → signed accumulators (N, out_channels, H', W'), float32 integers."""

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
        binarize: BinarizeConfig | None = None,
    ) -> None:
        binarize = binarize or BinarizeConfig()
        off = binarize.weight_scale is WeightScale.OFF
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            stride=_pair(stride),
            padding=_pair(padding),
            dilation=_pair(dilation),
            groups=groups,
            bias=False,
            weight_quant=None if off else BipolarWeight,
        )
        self.border = padding_mode
        self._set_up(binarize)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.sign is not None:
            x = self.sign(x)
        padding = self.padding
        if self.border is not PaddingMode.ZERO and any(padding):
            rows, columns = padding
            x = functional.pad(x, (columns, columns, rows, rows), value=_VALUES[self.border])
            padding = (0, 0)
        weight = self._effective_weight()
        out = functional.conv2d(x, weight, None, self.stride, padding, self.dilation, self.groups)
        scale = self.weight_scale()
        return out if scale is None else out * scale.reshape(-1, 1, 1)
