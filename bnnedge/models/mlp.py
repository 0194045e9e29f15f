"""Binarised multi-layer perceptrons: TFC, SFC, LFC and any other widths."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.ops.encoding import ThresholdEncoding
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm, ScalarNorm
from bnnedge.ops.quantisers import Sign


class HiddenLayer(nn.Module):
    """±1 (N, in) → ±1 (N, out): binary linear, BatchNorm, sign."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = BinaryLinear(in_features, out_features)
        self.norm = AffineBatchNorm(out_features)
        self.sign = Sign()

    def forward(self, bits: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.sign(self.norm(self.linear(bits)))
        return out


class OutputLayer(nn.Module):
    """±1 (N, in) → float32 logits (N, classes): binary linear, one scale and one shift."""

    def __init__(self, in_features: int, classes: int) -> None:
        super().__init__()
        self.linear = BinaryLinear(in_features, classes)
        self.norm = ScalarNorm()

    def forward(self, bits: Tensor) -> Tensor:
        """See the class."""
        out: Tensor = self.norm(self.linear(bits))
        return out


class Mlp(nn.Module):
    """Raw input float32 (N, *input_shape) → logits float32 (N, classes).

    encoding → [BinaryLinear → BatchNorm → sign] per hidden layer → BinaryLinear → scalar affine.

    Args:
        input_shape: shape of one input, without the batch.
        thresholds: the encoding's thresholds, the same for every element.
        hidden: neurons of each hidden layer.
        classes: number of outputs.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        thresholds: Sequence[float],
        hidden: Sequence[int],
        classes: int,
    ) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.encoding = ThresholdEncoding(thresholds)
        widths = [math.prod(input_shape) * len(thresholds), *hidden]
        self.hidden = nn.ModuleList(
            HiddenLayer(before, after) for before, after in itertools.pairwise(widths)
        )
        self.output = OutputLayer(widths[-1], classes)

    @property
    def first_linear(self) -> BinaryLinear:
        """The layer that sees the encoded input."""
        layer = next(iter(self.hidden), self.output)
        assert isinstance(layer, HiddenLayer | OutputLayer)
        return layer.linear

    def classify(self, bits: Tensor, *, dropout: float = 0.0) -> Tensor:
        """±1 float32 (N, elements · levels), as `encoding` gives them → logits (N, classes).

        Args:
            bits: the first layer's inputs.
            dropout: in training, share of every layer's inputs that is set to 0.
        """
        for layer in (*self.hidden, self.output):
            bits = layer(functional.dropout(bits, dropout) if self.training and dropout else bits)
        return bits

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.classify(self.encoding(x))

    def constrain_(self) -> None:
        """To be called after every optimiser step: keeps the output scale positive."""
        self.output.norm.constrain_()

    @torch.no_grad()
    def trace(self, x: Tensor) -> dict[str, Tensor]:
        """Every stream of an evaluation of `x`, by layer name, in order.

        "encoding" and "hidden.<i>.sign" are ±1, "<layer>.linear" are signed integer accumulators,
        "output.norm" the logits; all float32 (N, channels).
        """
        streams: dict[str, Tensor] = {"encoding": self.encoding(x)}
        bits = streams["encoding"]
        for index, layer in enumerate(self.hidden):
            assert isinstance(layer, HiddenLayer)
            accumulators = layer.linear(bits)
            bits = layer.sign(layer.norm(accumulators))
            streams[f"hidden.{index}.linear"] = accumulators
            streams[f"hidden.{index}.sign"] = bits
        streams["output.linear"] = self.output.linear(bits)
        streams["output.norm"] = self.output.norm(streams["output.linear"])
        return streams
