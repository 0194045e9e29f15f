"""What every network of the zoo can do."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bnnedge.data.encodings import Encoding, IntegerEncoding, ThresholdsEncoding
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.layers import Layer, WeightedLayer
from bnnedge.models.topologies import is_convolutional, row_shape
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.config import PaddingMode
from bnnedge.ops.conv import BinaryConv2d, BinaryConvolution
from bnnedge.ops.encoding import PixelInput, ThresholdEncoding
from bnnedge.ops.exact import exact_convolutions
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.lut_layer import LutLayer
from bnnedge.ops.normalisation import ScalarNorm
from bnnedge.ops.pools import GlobalSumPool, SumPool1d, SumPool2d
from bnnedge.ops.quantisers import ResidualQuantiser, Sign

_PREDICTED = 500  # images at a time
_STREAMS = (
    *(BinaryConvolution, BinaryLinear, LutLayer, nn.MaxPool1d, nn.MaxPool2d),
    *(SumPool1d, SumPool2d, GlobalSumPool),
    *(Sign, ResidualQuantiser, ScalarNorm),
)


class _Rows(nn.Module):
    """Inputs of any shape → (N, channels, length)."""

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        self.shape = (channels, length)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self.shape)


class Network(nn.Module, abc.ABC):
    """Raw input float32 (N, *input_shape) → logits float32 (N, classes).

    Args:
        config: the layers, as `build_network` takes them.
        input_shape: shape of one raw input: (C, H, W) for images, anything for dense layers and
            for convolutions along rows, see `row_shape`.
        encoding: what the first layer takes of a raw element.
        classes: number of outputs.

    Attributes:
        encoding: the layer that encodes: raw float32 (N, *input_shape) → ±1, or integers.
        input_encoding: the same as a value.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        input_shape: tuple[int, ...],
        encoding: Encoding,
        classes: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.input_shape = input_shape
        self.input_encoding = encoding
        self.classes = classes
        self.encoding: nn.Module
        if isinstance(encoding, IntegerEncoding):
            self.encoding = PixelInput(bits=encoding.bits)
        else:
            assert isinstance(encoding, ThresholdsEncoding)
            # A dense first layer takes the elements in a row, a convolution takes an image.
            keep_shape = is_convolutional(config.topology)
            thresholds = encoding.thresholds.tolist()
            self.encoding = ThresholdEncoding(thresholds, keep_shape, encoding.selected)
        if config.topology is Topology.CONV1D and len(input_shape) != 2:
            self.encoding = nn.Sequential(_Rows(*row_shape(input_shape)), self.encoding)

    @property
    def largest_input(self) -> int:
        """Of the magnitudes that the first layer sees."""
        encoding = self.input_encoding
        return 2**encoding.bits - 1 if isinstance(encoding, IntegerEncoding) else 1

    @property
    def first_padding(self) -> PaddingMode:
        """What surrounds an image: zeros if it holds integers, else what the recipe says."""
        integers = isinstance(self.input_encoding, IntegerEncoding)
        return PaddingMode.ZERO if integers else self.config.padding

    @property
    def layers(self) -> Mapping[str, WeightedLayer]:
        """Everything with weights and a normalisation by its name, in the order of the data."""
        found: dict[str, WeightedLayer] = {}
        for name, module in self.named_modules():
            if isinstance(module, Layer):
                found[name] = module.weighted()
            elif isinstance(module, BinaryConvBNReLU):
                assert isinstance(module.conv, BinaryConv2d)  # none is factorised
                found[name] = WeightedLayer(weights=module.conv, norm=module.norm)
        return found

    def probe_weights(self) -> Tensor:
        """±1 of shapes as the first layer's weights: what extreme inputs are made for."""
        return next(iter(self.layers.values())).weights.bipolar_weight()

    @abc.abstractmethod
    def classify(self, encoded: Tensor, *, dropout: float = 0.0) -> Tensor:
        """What `encoding` gives → logits (N, classes).

        Args:
            encoded: the first layer's inputs, float32.
            dropout: in training, share of the inputs of every dense layer that is set to 0.
        """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.classify(self.encoding(x))

    def constrain_(self) -> None:
        """To be called after every optimiser step: keeps the output's scale positive."""
        for module in self.modules():
            if isinstance(module, ScalarNorm):
                module.constrain_()

    @torch.no_grad()
    def predict(self, images: NDArray[Any]) -> NDArray[np.int64]:
        """Classes int64 (N,) of raw inputs (N, *input_shape); the lowest index wins a tie.

        The network is put into evaluation mode.
        """
        self.eval()
        device = next(self.parameters()).device
        batches = torch.split(torch.from_numpy(images.astype(np.float32)), _PREDICTED)
        with exact_convolutions():
            found = [self(batch.to(device)).argmax(1).cpu() for batch in batches]
        classes: NDArray[np.int64] = torch.cat(found).numpy()
        return classes

    @torch.no_grad()
    def trace(self, x: Tensor) -> dict[str, Tensor]:
        """Every stream of an evaluation of `x`, by the name of the layer it leaves, in order.

        "encoding" and every "….sign" are ±1 (an integer encoding: integers); the sums behind
        "….linear", "….conv" and "….pool" are signed integers where weights and inputs are binary;
        every "….quant" is an integer of the residual stream times its scale.
        The last two are the output's accumulators and "output.norm", the logits. All float32.
        """
        streams: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
            return lambda module, inputs, output: streams.__setitem__(name, output)

        hooks = [self.encoding.register_forward_hook(keep("encoding"))]
        for name, module in self.named_modules():
            if isinstance(module, _STREAMS) and not name.startswith("encoding."):
                hooks.append(module.register_forward_hook(keep(name)))
        try:
            with exact_convolutions():
                self(x)
        finally:
            for hook in hooks:
                hook.remove()
        return streams
