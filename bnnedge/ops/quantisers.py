"""Brevitas quantisers for 1-bit weights and activations.

All of them give exactly ±1 (scale 1), with sign(0) = sign(−0) = +1. With scale 1 every
accumulator of a network is an integer that float32 holds exactly, so PyTorch, ONNX and hardware
can agree bit for bit; any float scale would make the result depend on the order of a sum.
"""

from brevitas.nn import QuantIdentity
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst


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
    """Activation layer: float32 of any shape → ±1 float32 of that shape."""

    def __init__(self) -> None:
        super().__init__(act_quant=BipolarActivation, return_quant_tensor=False)
