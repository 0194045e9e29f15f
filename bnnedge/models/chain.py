"""Networks whose layers follow each other: all of the zoo but the residual ones."""

from torch import Tensor, nn
from torch.nn import functional

from bnnedge.data.encodings import Encoding
from bnnedge.models.config import NetworkConfig, Precision
from bnnedge.models.layers import FLOAT_WEIGHTS, HiddenLayer, OutputLayer, activation
from bnnedge.models.network import Network
from bnnedge.models.topologies import chain_shapes, encoded_shape
from bnnedge.ops.config import BinarizeConfig, PaddingMode


class Chain(Network):
    """encoding → hidden layers (weights, [pooling], BatchNorm, activation) → output layer.

    Submodules are `hidden.<i>` (see `HiddenLayer`) and `output` (see `OutputLayer`).
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        input_shape: tuple[int, ...],
        encoding: Encoding,
        classes: int,
    ) -> None:
        shapes = chain_shapes(config, encoded_shape(config, input_shape, encoding), classes)
        super().__init__(config, input_shape=input_shape, encoding=encoding, classes=classes)
        hidden, last = shapes[:-1], len(shapes) - 1
        scaled = BinarizeConfig(weight_scale=config.weight_scale, levels=config.levels)
        integers = config.integers
        all_float = config.weights is Precision.FLOAT
        float_ends = all_float or config.first_last is Precision.FLOAT
        self.hidden = nn.ModuleList()
        padding, largest_input = self.first_padding, self.largest_input
        for index, shape in enumerate(hidden):
            before_float_end = float_ends and index == last - 1
            kind = Precision.FLOAT if before_float_end else config.activations
            floating = all_float or (float_ends and index == 0)
            layer = HiddenLayer(
                shape,
                binarize=FLOAT_WEIGHTS if floating else scaled,
                padding=padding,
                activation=activation(config, kind),
                largest_input=largest_input,
            )
            if integers is not None:  # their ends are two standard deviations off
                nn.init.constant_(layer.norm.weight, -integers.low / 2)
            self.hidden.append(layer)
            zeros = kind is Precision.FLOAT or integers is not None
            padding = PaddingMode.ZERO if zeros else config.padding
            largest_input = 1 if integers is None else -integers.low
        # No scale at the output: one per class would change which class is largest.
        self.output = OutputLayer(
            shapes[-1],
            binarize=FLOAT_WEIGHTS if float_ends else BinarizeConfig(levels=config.levels),
            largest_input=largest_input,
        )

    def classify(self, encoded: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `Network.classify`."""
        x = encoded
        for layer in (*self.hidden, self.output):
            if self.training and dropout and hasattr(layer, "linear"):
                x = functional.dropout(x, dropout)
            x = layer(x)
        return x
