"""Networks and data that are trained in no time."""

import torch

from bnnedge.data.encodings import OneBitThreshold
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.network import Network
from bnnedge.models.zoo import build_network
from bnnedge.training.inputs import Examples

CPU = torch.device("cpu")


def tiny_network(
    input_shape: tuple[int, ...] = (4, 6), classes: int = 2, hidden: tuple[int, ...] = (20, 12)
) -> Network:
    """A binarised MLP with random weights from torch's generator."""
    return build_network(
        NetworkConfig(topology=Topology.MLP, hidden=hidden),
        input_shape=input_shape,
        encoding=OneBitThreshold(threshold=128.0),
        classes=classes,
    )


def toy_examples(count: int, shape: tuple[int, ...] = (4, 6), seed: int = 0) -> Examples:
    """Random images whose class is the first pixel's bit."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    return Examples(images=images, labels=(images.flatten(1)[:, 0] >= 128).long())
