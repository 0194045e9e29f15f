"""Networks with random weights and statistics, as training could leave them."""

import torch

from bnnedge.models.mlp import Mlp
from bnnedge.ops.normalisation import AffineBatchNorm


def random_mlp(
    *,
    input_shape: tuple[int, ...] = (16,),
    thresholds: tuple[float, ...] = (4.0, 8.0, 12.0),
    hidden: tuple[int, ...] = (20, 12),
    classes: int = 10,
    seed: int = 0,
) -> Mlp:
    """A network in evaluation mode whose BatchNorms hold every awkward case.

    Per hidden layer: means that are reachable accumulators (exact ties), scales that are
    negative and zero, biases of 0, variances from 0 to large.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Mlp(
            input_shape=input_shape, thresholds=thresholds, hidden=hidden, classes=classes
        ).eval()
    for layer in model.hidden:
        norm, synapses = layer.norm, layer.linear.in_features
        assert isinstance(norm, AffineBatchNorm) and norm.running_mean is not None
        channels = len(norm.running_mean)
        ties = torch.randint(-3, 4, (channels,), generator=generator) * 2 + synapses % 2
        norm.running_mean.copy_(ties.float())
        norm.running_var.copy_(synapses * torch.rand(channels, generator=generator))
        norm.weight.data.copy_(torch.randn(channels, generator=generator))
        norm.bias.data.copy_(torch.randn(channels, generator=generator) / 4)
        norm.bias.data[::2] = 0
        norm.weight.data[::7] = 0
        norm.running_var[::5] = 0
    model.output.norm.running_mean.fill_(0.37)
    model.output.norm.running_var.fill_(11.3)
    return model
