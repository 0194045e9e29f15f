"""Binary ResNets in the manner of Bi-Real Net: a shortcut around every binary convolution."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from bnnedge.data.encodings import Encoding
from bnnedge.models.config import LayerConfig, NetworkConfig, Precision, Topology
from bnnedge.models.layers import FLOAT_WEIGHTS, HiddenLayer, OutputLayer
from bnnedge.models.network import Network
from bnnedge.models.topologies import LayerShape, encoded_shape
from bnnedge.ops.blocks.config import Downsample
from bnnedge.ops.blocks.resnet import BinaryResNetBlock
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, PaddingMode
from bnnedge.ops.pools import GlobalSumPool
from bnnedge.ops.quantisers import activation_layer

STAGES: Mapping[Topology, tuple[tuple[int, int], ...]] = {  # (channels, blocks)
    # "Deep Residual Learning" (He et al. 2016), table 1, with the 3x3 first layer of section 4.2.
    Topology.RESNET18: ((64, 2), (128, 2), (256, 2), (512, 2)),
    # The same, section 4.2, n = 3.
    Topology.RESNET20: ((16, 3), (32, 3), (64, 3)),
}


class BinaryResNet(Network):
    """encoding → 3×3 convolution → stages of residual blocks → sums over pixels → output layer.

    The first block of every stage but the first halves the image and doubles the channels. Its
    shortcut is parameter-free (every second pixel, zeros for new channels); where the first and
    last layers are float it is a strided 1×1 float convolution with a ReLU.

    Between blocks flow real numbers, so these networks export but have no integer Dataflow.
    Binary last layers see the sum over pixels of the features' signs, float ones of the features.

    Submodules are `first`, `blocks.<i>` (see `BinaryResNetBlock`), `sign`, `pool` and `output`.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        input_shape: tuple[int, ...],
        encoding: Encoding,
        classes: int,
    ) -> None:
        channels, *size = encoded_shape(config, input_shape, encoding)
        super().__init__(config, input_shape=input_shape, encoding=encoding, classes=classes)
        all_float = config.weights is Precision.FLOAT
        float_ends = all_float or config.first_last is Precision.FLOAT
        ends = FLOAT_WEIGHTS if float_ends else BinarizeConfig()
        real = config.activations is Precision.FLOAT
        stages = STAGES[config.topology]
        width = stages[0][0]
        self.first = HiddenLayer(
            LayerShape.of(LayerConfig(conv=width, padding=1), (channels, *size)),
            binarize=ends,
            padding=self.first_padding,
            activation=None,
            largest_input=self.largest_input,
        )
        binarize = BinarizeConfig(
            activation=ActivationMethod.FLOAT if real else config.gradient,
            weight_scale=FLOAT_WEIGHTS.weight_scale if all_float else config.weight_scale,
        )
        self.blocks = nn.ModuleList()
        for stage, (after, count) in enumerate(stages):
            for stride in (2 if stage else 1, *[1] * (count - 1)):
                self.blocks.append(
                    BinaryResNetBlock(
                        width,
                        after,
                        stride=stride,
                        downsample=Downsample.CONV if float_ends else Downsample.AVGPOOL,
                        relu=real,
                        padding_mode=PaddingMode.ZERO if real else config.padding,
                        binarize=binarize,
                    )
                )
                width = after
                size = [-(-edge // stride) for edge in size]
        self.sign = None if float_ends or real else activation_layer(config.gradient)
        self.pool = GlobalSumPool()
        self.output = OutputLayer(
            LayerShape.of(LayerConfig(dense=classes), (width,)),
            binarize=ends,
            largest_input=size[0] * size[1],
        )

    def classify(self, encoded: Tensor, *, dropout: float = 0.0) -> Tensor:
        """See `Network.classify`."""
        x: Tensor = self.first(encoded)
        for block in self.blocks:
            x = block(x)
        x = self.pool(x if self.sign is None else self.sign(x))
        x = functional.dropout(x, dropout) if self.training and dropout else x
        logits: Tensor = self.output(x)
        return logits
