"""Residual networks with random weights and hostile BatchNorms, as PyTorch has them."""

import torch

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.models.config import LayerConfig, NetworkConfig, StageConfig, Topology
from bnnedge.models.network import Network
from bnnedge.models.zoo import build_network
from bnnedge.ops.blocks.config import Downsample, LayerOrder
from bnnedge.ops.blocks.resnet import BinaryResNetBlock
from bnnedge.ops.config import ResidualConfig
from bnnedge.ops.normalisation import AffineBatchNorm, ScalarNorm
from bnnedge.ops.quantisers import ResidualQuantiser

_CHANNELS = 8  # of a block's input
_REACH = 32  # of convolutions that no BatchNorm follows


def random_block(
    *,
    channels: int,
    stride: int,
    order: LayerOrder,
    downsample: Downsample,
    bits: int,
    shape: tuple[int, int, int],
    relu: bool = False,
) -> Network:
    """A stem of 8 channels, one residual block, and a last layer of 10 classes."""
    torch.manual_seed(bits + channels)
    config = NetworkConfig(
        topology=Topology.RESNET,
        stem=LayerConfig(conv=_CHANNELS, padding=1),
        stages=(StageConfig(channels=channels, blocks=1, stride=stride),),
        residual_bits=bits,
    )
    model = build_network(config, input_shape=shape, encoding=IntegerEncoding(), classes=10)
    residual = config.residual
    sums = order is LayerOrder.BN_CONV_RELU
    if sums:
        residual = ResidualConfig(bits=bits, scale=2 * _REACH / 2**bits)
        model.get_submodule("first").quant = ResidualQuantiser(residual)
    blocks = model.get_submodule("blocks")
    blocks[0] = BinaryResNetBlock(
        _CHANNELS,
        channels,
        stride=stride,
        order=order,
        downsample=downsample,
        relu=relu,
        residual=residual,
    )
    settle(model, seed=bits)
    if sums:
        norm = model.get_submodule("first.norm")
        assert isinstance(norm, AffineBatchNorm)
        norm.weight.data.mul_(_REACH / 4)
        norm.bias.data.mul_(_REACH / 4)
    return model


def settle(model: Network, seed: int) -> None:
    """BatchNorms of random images' statistics, with scales below 0 and of 0, and ties."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (64, *model.input_shape), generator=generator).float()
    norms = [
        module
        for module in model.modules()
        if isinstance(module, AffineBatchNorm) and not isinstance(module, ScalarNorm)
    ]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None
        for _ in range(2):
            model.train()(x)
        model.eval()
        for norm in norms:
            features = norm.num_features
            assert norm.running_mean is not None
            norm.running_mean.copy_(norm.running_mean.round())
            norm.weight.copy_(torch.randn(features, generator=generator) * 1.3)
            norm.bias.copy_(torch.randn(features, generator=generator) / 2)
            norm.bias[::3] = 0
            norm.weight[5::11] = 0
