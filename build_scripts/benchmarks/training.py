"""Epochs of the training loop, and of the shortest loop that trains the same network."""

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.measure import Row
from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold
from bnnedge.models.config import LayerConfig, NetworkConfig, PoolConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.training import EpochReport, TrainingConfig
from bnnedge.training.config import ComputeConfig, Device
from bnnedge.training.inputs import Examples
from bnnedge.training.loop import fit, reproducible

_CONV = (
    LayerConfig(conv=32, pool=PoolConfig(size=2)),
    LayerConfig(conv=64, pool=PoolConfig(size=2)),
    LayerConfig(dense=256),
)

_Plain = tuple[nn.Module, Callable[[Tensor], Tensor]]
"""A network, and the encoding of its raw inputs."""


class _Sign(torch.autograd.Function):
    """±1, with the gradient of hard tanh; for weights and activations."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


_sign: Callable[[Tensor], Tensor] = _Sign.apply


class _Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, _sign(self.weight))


class _Conv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, _sign(self.weight))


class _Binary(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _sign(x)


def _dense(before: int, after: int) -> list[nn.Module]:
    return [_Linear(before, after, bias=False), nn.BatchNorm1d(after)]


def _plain_sfc() -> _Plain:
    layers = [*_dense(784, 256), _Binary(), *_dense(256, 256), _Binary(), *_dense(256, 256)]
    model = nn.Sequential(*layers, _Binary(), *_dense(256, 10))
    return model, lambda images: (images.flatten(1) >= 64).float() * 2 - 1


def _plain_conv() -> _Plain:
    model = nn.Sequential(
        *(_Conv(1, 32, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(32), _Binary()),
        *(_Conv(32, 64, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(64), _Binary()),
        *(nn.Flatten(), *_dense(64 * 25, 256), _Binary(), *_dense(256, 10)),
    )
    return model, lambda images: images.float()


def _plain_epochs(plain: _Plain, examples: Examples, config: TrainingConfig) -> Iterator[float]:
    """Train endlessly; gives the seconds of every epoch."""
    model, encode = plain
    x, optimiser = encode(examples.images), torch.optim.Adam(model.parameters(), lr=0.01)
    while True:
        start = time.perf_counter()
        for index in torch.randperm(len(x)).split(config.batch_size):
            loss = functional.cross_entropy(model(x[index]), examples.labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.dim() > 1:
                        parameter.clamp_(-1, 1)
        yield time.perf_counter() - start


def training(rounds: int) -> Iterator[Row]:
    """An epoch on one thread; the quickest of `rounds` counts."""
    sfc = NetworkConfig(topology=Topology.SFC)
    conv = NetworkConfig(topology=Topology.CONV, layers=_CONV)
    for network, images, plain, encoding in (
        (sfc, 20000, _plain_sfc, OneBitThreshold(threshold=64.0)),
        (conv, 2000, _plain_conv, IntegerEncoding()),
    ):
        bare, ours = _epoch_seconds(network, images, plain, encoding, rounds)
        case = f"{network.topology.value}, an epoch of {images} images"
        yield Row(case=case, engine="plain PyTorch", value=bare, unit="s")
        yield Row(
            case=case,
            engine="bnnedge",
            value=ours,
            unit="s",
            ratio=bare / ours,
            peer="plain PyTorch",
        )


def _epoch_seconds(
    network: NetworkConfig,
    images: int,
    plain: Callable[[], _Plain],
    encoding: Encoding,
    rounds: int,
) -> tuple[float, float]:
    """Seconds of the quickest epoch, of the plain loop and of bnnedge's."""
    compute = ComputeConfig(device=Device.CPU, threads=1)
    config = TrainingConfig(epochs=rounds + 1, batch_size=200, learning_rate=0.01, compute=compute)
    with reproducible(config, torch.device("cpu")):
        examples = Examples(
            images=torch.randint(0, 256, (images, 1, 28, 28), dtype=torch.uint8),
            labels=torch.randint(0, 10, (images,)),
        )
        held_out = Examples(images=examples.images[:200], labels=examples.labels[:200])
        model = build_network(network, input_shape=(1, 28, 28), encoding=encoding, classes=10)
        bare: list[float] = []
        ours: list[float] = []
        epochs = _plain_epochs(plain(), examples, config)

        # The two take turns, so that whatever else the machine does meets both.
        def turn(report: EpochReport) -> None:
            ours.append(report.seconds)
            bare.append(next(epochs))

        fit(model, examples, held_out, config, on_epoch=turn)
    return min(bare[1:]), min(ours[1:])
