"""The one place where a network is made, for training, checkpoints and pretrained weights."""

from bnnedge.data.encodings import Encoding
from bnnedge.models.chain import Chain
from bnnedge.models.config import NetworkConfig
from bnnedge.models.network import Network
from bnnedge.models.residual import BinaryResNet


def build_network(
    config: NetworkConfig, *, input_shape: tuple[int, ...], encoding: Encoding, classes: int
) -> Network:
    """A network with fresh random weights (torch's generator), in training mode.

    Args:
        config: the layers.
        input_shape: shape of one raw input: (C, H, W) for networks with convolutions.
        encoding: what the first layer takes of a raw element.
        classes: number of outputs.

    Raises:
        ConfigError: the input does not suit the network; names the smallest that does.
    """
    kind = BinaryResNet if config.topology.is_residual else Chain
    return kind(config, input_shape=input_shape, encoding=encoding, classes=classes)
