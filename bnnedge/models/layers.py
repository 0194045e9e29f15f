"""Layers of the networks: ±1 weights (or real ones), pooling, normalisation, activation."""

from dataclasses import dataclass

from torch import Tensor, nn

from bnnedge.models.config import NetworkConfig, PoolConfig, PoolKind, Precision
from bnnedge.models.topologies import LayerShape, require_summable
from bnnedge.ops.config import BinarizeConfig, PaddingMode, WeightScale
from bnnedge.ops.conv import BinaryConv1d, BinaryConv2d, BinaryConvolution
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm, ScalarNorm
from bnnedge.ops.pools import GlobalSumPool, SumPool1d, SumPool2d
from bnnedge.ops.quantisers import ResidualQuantiser, activation_layer
from bnnedge.ops.sparse_linear import SparseLinear

FLOAT_WEIGHTS = BinarizeConfig(weight_scale=WeightScale.OFF)


def activation(config: NetworkConfig, precision: Precision) -> nn.Module:
    """What follows a hidden layer's normalisation: a sign, a quantiser, or a ReLU."""
    if precision is Precision.FLOAT:
        return nn.ReLU()
    if config.integers is not None:
        return ResidualQuantiser(config.integers)
    sign = activation_layer(config.gradient)
    assert sign is not None  # NetworkConfig allows signs only
    return sign


def weights_of(
    shape: LayerShape, binarize: BinarizeConfig, padding: PaddingMode
) -> BinaryConvolution | BinaryLinear:
    """The weights of a layer of that shape."""
    layer = shape.layer
    if layer.conv is None:
        return BinaryLinear(shape.inputs[0], layer.width, binarize=binarize)
    kind = BinaryConv1d if len(shape.inputs) == 2 else BinaryConv2d
    return kind(
        shape.inputs[0],
        layer.width,
        layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        padding_mode=padding,
        binarize=binarize,
    )


def pooling(pool: PoolConfig, axes: int) -> nn.Module:
    """Pooling of sums, along one axis or two."""
    window = (pool.size, pool.step, pool.padding)
    if pool.kind is PoolKind.AVERAGE:
        return SumPool1d(*window) if axes == 1 else SumPool2d(*window)
    return nn.MaxPool1d(*window) if axes == 1 else nn.MaxPool2d(*window)


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightedLayer:
    """Weights and the normalisation of their sums, with the integers that arrive there.

    Attributes:
        weights: ±1, perhaps with a scale or with zeros, or real.
        norm: of the sums, after pooling.
        largest_input: of the inputs' magnitudes, where they are integers: 1 for ±1.
        sums_added: how many sums pooling adds up in front of `norm`.
    """

    weights: BinaryConvolution | BinaryLinear
    norm: AffineBatchNorm
    largest_input: int = 1
    sums_added: int = 1

    @property
    def is_binary(self) -> bool:
        """Whether the weights are ±1, perhaps with a scale."""
        return self.weights.binarize.weight_scale is not WeightScale.OFF

    def reachable(self) -> range:
        """Every integer that can arrive at `norm`, given integer inputs; perhaps some more."""
        weights = self.weights
        is_sparse = isinstance(weights, SparseLinear)
        synapses = weights.fan_in if is_sparse else weights.weight[0].numel()
        largest = synapses * self.largest_input * self.sums_added
        skips_taps = isinstance(weights, BinaryConvolution) and weights.border is PaddingMode.ZERO
        skips_taps |= self.weights.is_ternary
        odd_and_even = self.largest_input > 1 or self.sums_added > 1 or skips_taps
        return range(-largest, largest + 1, 1 if odd_and_even else 2)


class Layer(nn.Module):
    """What hidden and output layers share: submodules that run one after the other."""

    norm: AffineBatchNorm
    largest_input: int
    sums_added: int

    def forward(self, x: Tensor) -> Tensor:
        """Every submodule in turn; images become rows in front of dense weights."""
        if hasattr(self, "linear") and x.dim() > 2:
            x = x.flatten(1)
        for step in self.children():
            x = step(x)
        return x

    def weighted(self) -> WeightedLayer:
        """The layer's weights and their normalisation."""
        weights = self.linear if hasattr(self, "linear") else self.conv
        assert isinstance(weights, BinaryConvolution | BinaryLinear)
        return WeightedLayer(
            weights=weights,
            norm=self.norm,
            largest_input=self.largest_input,
            sums_added=self.sums_added,
        )


class HiddenLayer(Layer):
    """(N, in), (N, in, L) or (N, in, H, W) → (N, out …): weights, pooling, BatchNorm, activation.

    Submodules are `linear` or `conv`, `pool` behind convolutions that have one, `norm`, and
    `sign`, `quant` or `relu` where there is one.
    """

    def __init__(
        self,
        shape: LayerShape,
        *,
        binarize: BinarizeConfig,
        padding: PaddingMode,
        activation: nn.Module | None,
        largest_input: int,
    ) -> None:
        super().__init__()
        weights, pool = weights_of(shape, binarize, padding), shape.layer.pool
        require_summable(shape.layer, binarize.weight_scale)
        self.add_module("linear" if isinstance(weights, BinaryLinear) else "conv", weights)
        if pool is not None:
            self.pool = pooling(pool, len(shape.inputs[1:]))
        self.norm = AffineBatchNorm(shape.layer.width)
        if activation is not None:
            kinds = {nn.ReLU: "relu", ResidualQuantiser: "quant"}
            self.add_module(kinds.get(type(activation), "sign"), activation)
        self.largest_input = largest_input
        self.sums_added = shape.sums_added


class OutputLayer(Layer):
    """(N, in) or (N, in, H, W) → float32 logits (N, classes): weights, one scale and one shift.

    Behind a convolution (`conv`) the pixels of every channel are summed up (`pool`).
    """

    norm: ScalarNorm

    def __init__(self, shape: LayerShape, *, binarize: BinarizeConfig, largest_input: int) -> None:
        super().__init__()
        weights = weights_of(shape, binarize, PaddingMode.ZERO)
        if isinstance(weights, BinaryLinear):
            self.linear = weights
            self.sums_added = 1
        else:
            self.conv = weights
            self.pool = GlobalSumPool()
            self.sums_added = shape.sums[1] * shape.sums[2]
        self.norm = ScalarNorm()
        self.largest_input = largest_input
