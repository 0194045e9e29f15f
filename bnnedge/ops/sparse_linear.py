"""Sparse fully connected layers: each row takes a few inputs, and training chooses which ones."""

from typing import Any

import torch
from brevitas.nn import QuantLinear
from torch import Tensor
from torch.autograd.function import once_differentiable

from bnnedge.errors import ConfigError
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.quantisers import TernaryWeight
from bnnedge.ops.surrogates import sign

_SPREAD = 0.1  # of the latent weights at the start: any input may soon be among the largest


class LargestSigns(torch.autograd.Function):
    """Latent weights → sign(w) where |w| is among the k largest of its row, else 0.

    Of equals the lowest index is taken. The gradient is g for all weights, those at 0 included:
    straight through the sign ("BinaryConnect", Courbariaux et al. 2015, algorithm 1) and through
    the choice, as "What's Hidden in a Randomly Weighted Neural Network?" (Ramanujan et al. 2020,
    section 3) has it for scores. So an input that a row does not take comes in once its weight has
    grown beyond the least that is taken.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, fan_in: int) -> Tensor:
        """Real (M, C) → −1, 0 and 1, `fan_in` of a row not 0."""
        return sign(weight).mul_(largest(weight.abs(), fan_in))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """g."""
        return grad, None


def largest(values: Tensor, count: int) -> Tensor:
    """Which `count` of each row are the largest, bool (M, C); the first ones of equals."""
    least = values.topk(count, dim=1).values[:, -1:]
    above, equal = values > least, values == least
    spare = count - above.sum(1, keepdim=True)
    return above | (equal & (equal.cumsum(1) <= spare))


class FrozenSparse(QuantLinear):  # type: ignore[misc]
    """What a `SparseLinear` is after training."""

    def __init__(self, layer: "SparseLinear") -> None:
        super().__init__(
            layer.in_features, layer.out_features, bias=False, weight_quant=TernaryWeight
        )
        self.weight.data.copy_(layer.bipolar_weight())


class SparseLinear(BinaryLinear):
    """±1 inputs (N, in_features) → sums of `fan_in` of them (N, out_features), float32 integers.

    `weight` (out_features, in_features) holds latent weights, of which the `fan_in` largest
    magnitudes of a row count, each as its sign; see `LargestSigns` for the gradient. "LogicNets"
    (Umuroglu et al. 2020) has neurons of as few inputs, chosen once and at random. With up to 8
    inputs a BatchNorm and a sign behind make a table of each neuron.

    Args:
        in_features: inputs to choose from.
        out_features: neurons.
        fan_in: inputs of each, not more than there are.

    Raises:
        ConfigError: sizes out of range; when called, inputs of another shape.
    """

    def __init__(self, in_features: int, out_features: int, fan_in: int = 6) -> None:
        most = max(1, in_features)
        if min(in_features, out_features) < 1 or not 1 <= fan_in <= most:
            raise ConfigError(
                f"SparseLinear: wanted sizes of at least 1, and 1 to {most} inputs of each neuron,"
                f" got {in_features}, {out_features} and {fan_in}"
            )
        super().__init__(in_features, out_features)
        self.fan_in = fan_in
        torch.nn.init.uniform_(self.weight, -_SPREAD, _SPREAD)

    @torch.no_grad()
    def bipolar_weight(self) -> Tensor:
        """What the layer multiplies with: ±1 where a row takes an input, 0 elsewhere."""
        return self._multiplied_weight().detach()

    def _multiplied_weight(self) -> Tensor:
        """The same with a gradient."""
        out: Tensor = LargestSigns.apply(self.weight, self.fan_in)  # type: ignore[no-untyped-call]
        return out
