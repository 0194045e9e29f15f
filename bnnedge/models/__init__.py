"""Networks: their configuration, and trained ones by name.

`bnnedge.models.tfc(pretrained="mnist")` and its siblings give the network trained on a data set,
ready to evaluate, see `load_pretrained`; `bnnedge.models.zoo.build_network` makes one with random
weights. torch is imported when they are called.
"""

from typing import TYPE_CHECKING

from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.pretrained import load_pretrained

if TYPE_CHECKING:
    from bnnedge.models.network import Network

__all__ = [
    "NetworkConfig",
    "Topology",
    "cnv",
    "conv",
    "lenet5",
    "lfc",
    "load_pretrained",
    "nin",
    "resnet",
    "resnet18",
    "resnet20",
    "sfc",
    "tfc",
    "vgg_small",
]


def tfc(*, pretrained: str) -> "Network":
    """The BNN-PYNQ examples' tiny multi-layer perceptron: hidden layers of 64, 64, 64."""
    return load_pretrained("tfc", pretrained)


def sfc(*, pretrained: str) -> "Network":
    """FINN's small multi-layer perceptron: hidden layers of 256, 256, 256."""
    return load_pretrained("sfc", pretrained)


def lfc(*, pretrained: str) -> "Network":
    """FINN's large multi-layer perceptron: hidden layers of 1024, 1024, 1024."""
    return load_pretrained("lfc", pretrained)


def conv(*, pretrained: str) -> "Network":
    """A small stack of convolutions, described in its recipe."""
    return load_pretrained("conv", pretrained)


def lenet5(*, pretrained: str) -> "Network":
    """LeNet-5, as XNOR-Net's public implementations have it."""
    return load_pretrained("lenet5", pretrained)


def cnv(*, pretrained: str) -> "Network":
    """FINN's CNV."""
    return load_pretrained("cnv", pretrained)


def vgg_small(*, pretrained: str) -> "Network":
    """VGG-small."""
    return load_pretrained("vgg_small", pretrained)


def nin(*, pretrained: str) -> "Network":
    """Network in Network, as XNOR-Net's public implementations have it."""
    return load_pretrained("nin", pretrained)


def resnet(*, pretrained: str) -> "Network":
    """A small residual network, described in its recipe."""
    return load_pretrained("resnet", pretrained)


def resnet18(*, pretrained: str) -> "Network":
    """ResNet-18 with a shortcut around every binary convolution."""
    return load_pretrained("resnet18", pretrained)


def resnet20(*, pretrained: str) -> "Network":
    """ResNet-20 with a shortcut around every binary convolution."""
    return load_pretrained("resnet20", pretrained)
