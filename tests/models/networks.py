"""Networks with random weights and statistics, as training could leave them."""

import torch

from bnnedge.data.encodings import Encoding, OneBitThreshold, QuantileThermometer
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.layers import WeightedLayer
from bnnedge.models.network import Network
from bnnedge.models.zoo import build_network


def random_network(
    config: NetworkConfig,
    *,
    input_shape: tuple[int, ...],
    encoding: Encoding,
    classes: int = 10,
    seed: int = 0,
) -> Network:
    """A network in evaluation mode whose BatchNorms hold every awkward case.

    Per hidden layer: means that are reachable accumulators (exact ties), scales that are
    negative and zero, biases of 0, variances from 0 to large.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_network(
            config, input_shape=input_shape, encoding=encoding, classes=classes
        ).eval()
    for name, layer in model.layers.items():
        if name != "output":
            _spread(layer, generator)
    norm = model.get_submodule("output.norm")
    norm.running_mean.fill_(0.37)
    norm.running_var.fill_(11.3)
    return model


def _spread(layer: WeightedLayer, generator: torch.Generator) -> None:
    norm, reachable = layer.norm, layer.reachable()
    assert norm.running_mean is not None and norm.running_var is not None
    channels = len(norm.running_mean)
    center = len(reachable) // 2
    near = (max(0, center - 3), min(len(reachable), center + 4))
    index = torch.randint(*near, (channels,), generator=generator)
    ties = torch.tensor([reachable[int(i)] for i in index])
    spread = float(reachable[-1])
    norm.running_mean.copy_(ties.float())
    norm.running_var.copy_(spread * torch.rand(channels, generator=generator))
    norm.weight.data.copy_(torch.randn(channels, generator=generator))
    norm.bias.data.copy_(torch.randn(channels, generator=generator) / 4)
    norm.bias.data[::2] = 0
    norm.weight.data[::7] = 0
    norm.running_var[::5] = 0


def random_mlp(
    *,
    input_shape: tuple[int, ...] = (16,),
    thresholds: tuple[float, ...] = (4.0, 8.0, 12.0),
    hidden: tuple[int, ...] = (20, 12),
    classes: int = 10,
    seed: int = 0,
) -> Network:
    """A multi-layer perceptron, see `random_network`."""
    single = len(thresholds) == 1
    return random_network(
        NetworkConfig(topology=Topology.MLP, hidden=hidden),
        input_shape=input_shape,
        encoding=OneBitThreshold(threshold=thresholds[0])
        if single
        else QuantileThermometer(levels=thresholds),
        classes=classes,
        seed=seed,
    )
