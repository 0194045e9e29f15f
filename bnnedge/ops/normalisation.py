"""Normalisations whose evaluation is the same on every machine.

`torch.nn.functional.batch_norm` and onnxruntime's `BatchNormalization` evaluate the same formula
with different roundings (fused or separate multiply and add, 1/sqrt or sqrt and divide,
depending on the processor). Away from zero that is harmless; where a channel's running mean is
itself a reachable accumulator the mathematical result is 0, and the sign of the rounding error
decides the bit: in a layer of 64 channels with integer means about 20 differ between the two.
So the layers here evaluate with separately rounded elementwise operations, which IEEE 754 fixes
to the last bit (the square root with a detour: `bnnedge.ops.exact`):

    scale = weight / sqrt(var + eps),  shift = bias − mean · scale,  y = x · scale + shift

and the exporter writes just `Mul` and `Add` with these `scale` and `shift`. At a tie with bias 0
both products round alike, their difference is exactly 0, and sign(0) = +1.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnnedge.errors import ConfigError
from bnnedge.ops.exact import square_root


def scale_and_shift(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Scale and shift of a BatchNorm's evaluation, one with running statistics: float32 (C,)."""
    assert norm.running_mean is not None and norm.running_var is not None
    deviation = square_root(norm.running_var + norm.eps)
    weight: Tensor = torch.ones_like(deviation) if norm.weight is None else norm.weight
    scale = weight / deviation
    shift = norm.running_mean * scale
    return scale, -shift if norm.bias is None else norm.bias - shift


class AffineBatchNorm(_BatchNorm):
    """BatchNorm over (N, C), (N, C, L) or (N, C, H, W): the usual one in training, `x * scale +
    shift` in evaluation.
    """

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of the evaluation: float32 (C,) each."""
        return scale_and_shift(self)

    def forward(self, input: Tensor) -> Tensor:
        """Float32 (N, C), (N, C, L) or (N, C, H, W) → the same shape."""
        if self.training:
            return super().forward(input)
        return _per_channel(input, *self.scale_and_shift())

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 3, 4) or input.shape[1] != self.num_features:
            wanted = " or ".join(
                f"(N, {self.num_features}{rest})" for rest in ("", ", L", ", H, W")
            )
            raise ConfigError(f"AffineBatchNorm: wanted {wanted}, got {tuple(input.shape)}")


def _per_channel(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`x * scale + shift`, each rounded by itself, along the second dimension."""
    pixel = [1] * (x.dim() - 2)
    return x * scale.reshape(-1, *pixel) + shift.reshape(-1, *pixel)


class ScalarNorm(AffineBatchNorm):
    """One scale and one shift for a whole tensor (N, K): the output layer's logits.

    With a positive scale the class with the largest accumulator has the largest logit, so
    hardware may leave this layer out. `constrain_` keeps the scale positive.
    """

    def __init__(self) -> None:
        super().__init__(1)

    @torch.no_grad()
    def constrain_(self) -> None:
        """Push the learnt scale back to at least 1/1024."""
        self.weight.clamp_(min=1 / 1024)

    def forward(self, input: Tensor) -> Tensor:
        """Float32 (N, K) → float32 (N, K)."""
        return super().forward(input.reshape(-1, 1)).reshape(input.shape)


class Affine(nn.Module):
    """`x * scale + shift` with constants: what an `AffineBatchNorm` is after training."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("shift", shift.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Float32 (N, C), (N, C, L) or (N, C, H, W) → the same shape."""
        return _per_channel(x, self.scale, self.shift)
