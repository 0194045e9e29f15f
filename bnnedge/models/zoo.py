"""The one place where a network is made, for training, checkpoints and pretrained weights."""

import torch

from bnnedge.data.encodings import Encoding
from bnnedge.errors import ConfigError
from bnnedge.models.chain import Chain
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.lut_network import LutNetwork
from bnnedge.models.network import Network
from bnnedge.models.residual import BinaryResNet

_MOST_PARAMETERS = 1 << 27  # 512 MiB of float32, before a training doubles them


def build_network(
    config: NetworkConfig, *, input_shape: tuple[int, ...], encoding: Encoding, classes: int
) -> Network:
    """A network with fresh random weights (torch's generator), in training mode.

    Args:
        config: the layers.
        input_shape: shape of one raw input: (C, H, W) for networks with convolutions, anything for
            dense ones and for "conv1d".
        encoding: what the first layer takes of a raw element.
        classes: number of outputs.

    Raises:
        ConfigError: the input does not suit the network; names the smallest that does.
    """
    kind: type[Network] = BinaryResNet if config.topology.is_residual else Chain
    if config.topology is Topology.LUTNET:
        kind = LutNetwork
    with torch.device("meta"):  # shapes without numbers
        shapes = kind(config, input_shape=input_shape, encoding=encoding, classes=classes)
    count = sum(parameter.numel() for parameter in shapes.parameters())
    if count > _MOST_PARAMETERS:
        raise ConfigError(
            f"{config.topology.value}: {count} parameters, wanted at most {_MOST_PARAMETERS}"
        )
    return kind(config, input_shape=input_shape, encoding=encoding, classes=classes)
