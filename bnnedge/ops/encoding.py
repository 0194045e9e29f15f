"""The input encoding as a layer, so that an exported network takes raw inputs."""

from collections.abc import Sequence

import torch
from brevitas.inject.enum import RestrictValueType, ScalingImplType, ScalingPerOutputType
from brevitas.nn import QuantIdentity
from brevitas.quant.base import UintQuant
from brevitas.quant.solver import ActQuantSolver
from torch import Tensor, nn

from bnnedge.errors import ConfigError
from bnnedge.ops.quantisers import Sign, SignedInteger


class ThresholdEncoding(nn.Module):
    """Raw input float32 (N, *shape) → ±1 float32 (N, elements · levels).

    The bit of element i (in C order) and threshold k is at index i · levels + k and is +1 where
    x[i] >= thresholds[k]. The comparison is the sign of `x − threshold`, which float32 computes
    with the right sign for every pair of finite numbers. With a row of thresholds for each feature,
    (features, levels), those of an element are its feature's: what the first axis of an input
    counts, such as a column or a channel. Of `selected` bits there are only these, in this order:
    ±1 (N, selected).

    With `keep_shape`, images (N, C, H, W) → (N, C · levels, H, W), and rows (N, C, L) likewise; the
    bit of channel c and threshold k is in channel c · levels + k.

    Raises:
        ConfigError: bits are selected of images that keep their shape.
    """

    thresholds: Tensor
    selected: Tensor | None

    def __init__(
        self,
        thresholds: Sequence[float] | Sequence[Sequence[float]],
        keep_shape: bool = False,
        selected: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if keep_shape and selected is not None:
            raise ConfigError(
                "ThresholdEncoding: wanted all bits of images that keep their shape, got selected",
                remedy="select bits of flat inputs, or leave selected out",
            )
        indices = None if selected is None else torch.tensor(selected, dtype=torch.int64)
        self.register_buffer("selected", indices, persistent=False)
        # Part of the network's shape, not of its weights: a checkpoint's record holds them.
        values = torch.tensor(thresholds, dtype=torch.float32)
        self.register_buffer("thresholds", values, persistent=False)
        self.keep_shape = keep_shape
        self.sign = Sign()

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        bits = self._bits(x)
        return bits if self.selected is None else bits.index_select(1, self.selected)

    def _bits(self, x: Tensor) -> Tensor:
        if self.keep_shape and x.dim() not in (3, 4):
            wanted = "(N, C, H, W) or (N, C, L)"
            raise ConfigError(f"ThresholdEncoding: wanted {wanted}, got {tuple(x.shape)}")
        levels, pixel = self.thresholds.shape[-1], [1] * (x.dim() - 2)
        if self.thresholds.dim() == 2:
            return self._by_feature(x, levels, pixel)
        if self.keep_shape:
            if levels == 1:
                single: Tensor = self.sign(x - self.thresholds)
                return single
            planes: Tensor = self.sign(x.unsqueeze(2) - self.thresholds.reshape(-1, *pixel))
            return planes.flatten(1, 2)
        x = x.flatten(1)
        if levels > 1:
            x = x.unsqueeze(-1)
        bits: Tensor = self.sign(x - self.thresholds)
        return bits.flatten(1) if bits.dim() > 2 else bits

    def _by_feature(self, x: Tensor, levels: int, pixel: list[int]) -> Tensor:
        features = len(self.thresholds)
        if x.dim() < 2 or x.shape[1] != features:
            raise ConfigError(f"ThresholdEncoding: wanted (N, {features}, …), got {tuple(x.shape)}")
        if self.keep_shape:
            planes: Tensor = self.sign(
                x.unsqueeze(2) - self.thresholds.reshape(features, levels, *pixel)
            )
            return planes.flatten(1, 2)
        bits: Tensor = self.sign(
            x.unsqueeze(-1) - self.thresholds.reshape(features, *pixel, levels)
        )
        return bits.flatten(1)


class _UnsignedPixel(UintQuant, ActQuantSolver):  # type: ignore[misc]
    """Unsigned integers with scale max_val / (2^bit_width − 1)."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    restrict_scaling_type = RestrictValueType.FP


class PixelInput(QuantIdentity):  # type: ignore[misc]
    """Raw float32 of any shape → integer-valued float32 of that shape.

    Rounds half to even and clamps to the type: 0 … 2^bits − 1, or −2^(bits−1) … 2^(bits−1) − 1.
    Exports as QONNX `Quant` with scale 1 and zero point 0. The gradient is 0: it is an input.

    Args:
        bits: width of the integers.
        signed: whether they may be negative.

    Raises:
        ConfigError: a width that float32 cannot hold, or 1 bit, which QONNX would read as ±1.
    """

    def __init__(self, bits: int = 8, signed: bool = False) -> None:
        if not 2 <= bits <= 24:
            raise ConfigError(
                f"PixelInput: wanted 2…24 bits, got {bits}",
                remedy="ThresholdEncoding makes single bits",
            )
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        kind = SignedInteger if signed else _UnsignedPixel
        quantiser = kind.let(bit_width=bits, min_val=float(low), max_val=float(high))
        super().__init__(act_quant=quantiser, return_quant_tensor=False)
        self.bits, self.signed = bits, signed
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.act_quant.export_mode:
            exported: Tensor = super().forward(x)
            return exported
        return x.round().clamp(self.low, self.high)
