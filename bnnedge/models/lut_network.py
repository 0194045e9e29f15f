"""Networks of neurons of a few bits each, whose last layer's outputs vote for a class each."""

import torch
from torch import Tensor, nn

from bnnedge.data.encodings import Encoding
from bnnedge.models.config import NetworkConfig, Neuron
from bnnedge.models.layers import Layer, activation
from bnnedge.models.network import Network
from bnnedge.models.topologies import encoded_shape, require_tables
from bnnedge.ops.conv import BinaryConv2d
from bnnedge.ops.lut_layer import LutLayer
from bnnedge.ops.normalisation import AffineBatchNorm, ScalarNorm
from bnnedge.ops.sparse_linear import SparseLinear

_SHARPNESS = 5.0  # standard deviation of the logits, at the start
_FIRST_ROWS = 16


class SumLayer(Layer):
    """±1 (N, in) → ±1 (N, out): sums of a few inputs each, BatchNorm, sign.

    Submodules are `linear`, `norm` and `sign`.
    """

    norm: AffineBatchNorm

    def __init__(self, config: NetworkConfig, inputs: int, width: int, fan_in: int) -> None:
        super().__init__()
        self.linear = SparseLinear(inputs, width, fan_in)
        self.norm = AffineBatchNorm(width)
        self.sign = activation(config, config.activations)
        self.largest_input = self.sums_added = 1


class CountLayer(Layer):
    """±1 (N, classes · votes) → float32 logits (N, classes): sums of groups, a scale and a shift.

    The sums are those of a convolution in groups whose weights stay +1 (`conv`), so that they are
    exported and lowered like any other; the class of the most votes has the largest logit (`norm`).
    """

    norm: ScalarNorm

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv = BinaryConv2d(inputs, classes, 1, groups=classes)
        self.conv.weight.requires_grad_(False).fill_(1.0)
        self.norm = ScalarNorm()
        self.norm.weight.data.fill_(_SHARPNESS)
        self.largest_input = self.sums_added = 1

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.norm(self.conv(x.reshape(-1, x.shape[1], 1, 1)).flatten(1))
        return logits


class LutNetwork(Network):
    """encoding → layers of tables, or of sparse sums (`hidden.<i>`) → votes (`output`).

    "Differentiable Weightless Neural Networks" (Bacellar et al. 2024): a thermometer in front of
    learnt wires and tables, and groups of outputs counted for each class.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        input_shape: tuple[int, ...],
        encoding: Encoding,
        classes: int,
    ) -> None:
        (inputs,) = encoded_shape(config, input_shape, encoding)
        require_tables(config, classes)
        super().__init__(config, input_shape=input_shape, encoding=encoding, classes=classes)
        fan_in = config.neuron_inputs
        widths = (inputs, *config.hidden)
        self.hidden = nn.ModuleList(
            SumLayer(config, before, width, fan_in)
            if config.neuron is Neuron.SUM
            else LutLayer(before, width, fan_in)
            for before, width in zip(widths, config.hidden, strict=False)
        )
        self.output = CountLayer(config.hidden[-1], classes)

    def probe_weights(self) -> Tensor:
        """See `Network.probe_weights`; where a neuron has no weight, any will do."""
        first = self.hidden[0]
        if isinstance(first, LutLayer):
            weights = torch.zeros(_FIRST_ROWS, first.in_features)
        else:
            assert isinstance(first, SumLayer)
            weights = first.linear.bipolar_weight()
        drawn = torch.rand(weights.shape, generator=torch.Generator().manual_seed(0))
        return torch.where(weights == 0, torch.where(drawn < 0.5, -1.0, 1.0), weights)

    def classify(self, encoded: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `Network.classify`; dropout leaves votes out."""
        x = encoded
        for layer in self.hidden:
            x = layer(x)
        if self.training and dropout:
            x = nn.functional.dropout(x, dropout)
        logits: Tensor = self.output(x)
        return logits
