"""Networks: their configuration, and trained ones by name.

`bnnedge.models.tfc(pretrained="mnist")` and its siblings give the network trained on a data set,
ready to evaluate, see `load_pretrained`; `bnnedge.models.build_network` makes one with random
weights. torch is imported when they are called.
"""

from typing import TYPE_CHECKING

from bnnedge.lazy import lazily
from bnnedge.models.pretrained import load_pretrained as load_pretrained

if TYPE_CHECKING:
    from bnnedge.models.checkpoint import load_checkpoint as load_checkpoint
    from bnnedge.models.checkpoint import save_checkpoint as save_checkpoint
    from bnnedge.models.config import LayerConfig as LayerConfig
    from bnnedge.models.config import NetworkConfig as NetworkConfig
    from bnnedge.models.config import Neuron as Neuron
    from bnnedge.models.config import PoolConfig as PoolConfig
    from bnnedge.models.config import PoolKind as PoolKind
    from bnnedge.models.config import Precision as Precision
    from bnnedge.models.config import StageConfig as StageConfig
    from bnnedge.models.config import Topology as Topology
    from bnnedge.models.network import Network as Network
    from bnnedge.models.pretrained.cards import ModelCard as ModelCard
    from bnnedge.models.zoo import build_network as build_network

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "checkpoint": (
            "load_checkpoint",
            "save_checkpoint",
        ),
        "config": (
            "LayerConfig",
            "NetworkConfig",
            "Neuron",
            "PoolConfig",
            "PoolKind",
            "Precision",
            "StageConfig",
            "Topology",
        ),
        "network": ("Network",),
        "pretrained.cards": ("ModelCard",),
        "zoo": ("build_network",),
    },
    own=(
        *("load_pretrained", "tfc", "sfc", "lfc", "conv", "lenet5", "cnv", "vgg_small", "nin"),
        *("resnet", "resnet18", "resnet20", "lutnet"),
    ),
)


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


def conv1d(*, pretrained: str) -> "Network":
    """A small stack of convolutions along rows, described in its recipe."""
    return load_pretrained("conv1d", pretrained)


def lutnet(*, pretrained: str) -> "Network":
    """Layers of neurons of a few learnt inputs, and votes counted by class."""
    return load_pretrained("lutnet", pretrained)


def lenet5(*, pretrained: str) -> "Network":
    """LeNet-5, as XNOR-Net's public implementations have it."""
    return load_pretrained("lenet5", pretrained)


def cnv(*, pretrained: str) -> "Network":
    """FINN's CNV: six convolutions and three dense layers."""
    return load_pretrained("cnv", pretrained)


def vgg_small(*, pretrained: str) -> "Network":
    """VGG-small: six convolutions and a dense layer."""
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
