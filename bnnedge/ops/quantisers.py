"""Brevitas quantisers for 1-bit weights and activations.

All of them give exactly ±1 (scale 1), with sign(0) = sign(−0) = +1. With scale 1 every
accumulator of a network is an integer that float32 holds exactly, so PyTorch, ONNX and hardware
can agree bit for bit; any float scale would make the result depend on the order of a sum.

Brevitas is what these layers export through. Their own arithmetic is the plain one of
`bnnedge.ops.surrogates`, which gives the same bits and gradients in half the time.
"""

import torch
from brevitas.nn import QuantIdentity
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import Tensor

from bnnedge.ops.surrogates import BirealSign, ClippedSign, StraightThroughSign


class BipolarWeight(SignedBinaryWeightPerTensorConst):  # type: ignore[misc]
    """Latent float32 weight → ±1. The gradient passes straight through (BinaryConnect).

    The latent weight is clamped to [−1, 1] in place at every forward pass, as in
    "BinaryConnect" (Courbariaux et al. 2015, section 2.4).
    """

    scaling_const = 1.0


class BipolarActivation(SignedBinaryActPerTensorConst):  # type: ignore[misc]
    """Real → ±1, with the gradient of hard tanh: 1 inside [−1, 1], 0 outside.

    "Binarized Neural Networks" (Hubara et al. 2016), equation 4.
    """

    scaling_const = 1.0


class Sign(QuantIdentity):  # type: ignore[misc]
    """Activation layer: float32 of any shape → ±1 float32 of that shape.

    The gradient is that of hard tanh. Subclasses name another.
    """

    surrogate: type[torch.autograd.Function] = ClippedSign

    def __init__(self) -> None:
        super().__init__(act_quant=BipolarActivation, return_quant_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.act_quant.export_mode:
            exported: Tensor = super().forward(x)
            return exported
        out: Tensor = self.surrogate.apply(x)  # type: ignore[no-untyped-call]
        return out


class StraightThroughBinaryActivation(Sign):
    """Sign whose gradient passes straight through."""

    surrogate = StraightThroughSign


class BirealBinaryActivation(Sign):
    """Sign with Bi-Real Net's gradient."""

    surrogate = BirealSign
