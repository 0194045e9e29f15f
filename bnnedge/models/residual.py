"""Binary ResNets in the manner of Bi-Real Net: a shortcut around every binary convolution."""

from torch import Tensor, nn
from torch.nn import functional

from bnnedge.data.encodings import Encoding
from bnnedge.models.config import LayerConfig, NetworkConfig, Precision
from bnnedge.models.layers import FLOAT_WEIGHTS, HiddenLayer, OutputLayer
from bnnedge.models.network import Network
from bnnedge.models.topologies import LayerShape, encoded_shape, residual_stages, stem_shape
from bnnedge.ops.blocks.config import Downsample
from bnnedge.ops.blocks.resnet import BinaryResNetBlock
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, PaddingMode
from bnnedge.ops.pools import GlobalSumPool
from bnnedge.ops.quantisers import ResidualQuantiser, activation_layer


class BinaryResNet(Network):
    """encoding → stem convolution → stages of residual blocks → sums over pixels → output layer.

    The first block of a stage may halve the image and change the channels. Its shortcut is
    parameter-free where it halves and doubles (every second pixel, zeros for new channels), else a
    binary convolution; where the first and last layers are float it is a strided 1×1 float
    convolution with a ReLU.

    Between blocks flow the integers of `NetworkConfig.residual`, or real numbers: such networks
    export but have no integer Dataflow. Binary last layers see the sum over pixels of the
    features' signs, float ones of the features.

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
        stem = stem_shape(config, encoded_shape(config, input_shape, encoding))
        super().__init__(config, input_shape=input_shape, encoding=encoding, classes=classes)
        all_float = config.weights is Precision.FLOAT
        float_ends = all_float or config.first_last is Precision.FLOAT
        ends = FLOAT_WEIGHTS if float_ends else BinarizeConfig()
        real = config.activations is Precision.FLOAT
        residual = config.residual
        self.first = HiddenLayer(
            stem,
            binarize=ends,
            padding=self.first_padding,
            activation=None if residual is None else ResidualQuantiser(residual),
            largest_input=self.largest_input,
        )
        binarize = BinarizeConfig(
            activation=ActivationMethod.FLOAT if real else config.gradient,
            weight_scale=FLOAT_WEIGHTS.weight_scale if all_float else config.weight_scale,
        )
        self.blocks = nn.ModuleList()
        width, *size = stem.outputs
        for stage in residual_stages(config):
            for stride in (stage.stride, *[1] * (stage.blocks - 1)):
                free = stride == 2 and stage.channels == 2 * width
                binary = Downsample.AVGPOOL if free else Downsample.BINARY_CONV
                self.blocks.append(
                    BinaryResNetBlock(
                        width,
                        stage.channels,
                        stride=stride,
                        downsample=Downsample.CONV if float_ends else binary,
                        relu=real,
                        padding_mode=PaddingMode.ZERO if real else config.padding,
                        binarize=binarize,
                        residual=residual,
                    )
                )
                width = stage.channels
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
