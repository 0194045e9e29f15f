"""What a training loop of one's own must do for binary layers: nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import bnnedge
from bnnedge.ops import AffineBatchNorm, BinaryLinear, Sign


def _data() -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(256, 10, generator=generator)
    return TensorDataset(x, (x[:, :5].sum(1) > x[:, 5:].sum(1)).long())


class Classifier(nn.Module):
    """What frameworks call a module: it knows its step and its optimiser."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            *(AffineBatchNorm(10), Sign(), BinaryLinear(10, 32)),
            *(AffineBatchNorm(32), Sign(), BinaryLinear(32, 2), AffineBatchNorm(2)),
        )
        self.logged: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.logged.append(loss.item())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.05, weight_decay=0.1)


def _binary(module: nn.Module) -> Iterator[Tensor]:
    for part in module.modules():
        if isinstance(part, BinaryLinear):
            yield part.weight


def _nothing(module: Classifier) -> None:
    pass


@torch.no_grad()
def _clamp(module: Classifier) -> None:
    """As published loops do; it does no harm."""
    for weight in _binary(module):
        weight.clamp_(-1, 1)


def fit(module: Classifier, data: TensorDataset, after_step: Callable[[Classifier], Any]) -> None:
    """As a framework's trainer does it."""
    module.train()
    optimiser = module.configure_optimizers()
    loader = DataLoader(data, batch_size=32, shuffle=True, generator=torch.Generator())
    for _ in range(12):
        for index, batch in enumerate(loader):
            optimiser.zero_grad()
            module.training_step(batch, index).backward()
            optimiser.step()
            after_step(module)


@pytest.mark.parametrize("after_step", [_nothing, _clamp])
def test_a_loop_has_nothing_to_do(after_step: Callable[[Classifier], Any]) -> None:
    module, data = Classifier(), _data()
    fit(module, data, after_step)
    x, y = data.tensors
    module(x)  # the next pass of training clamps what the last step moved
    assert all(weight.abs().max() <= 1 for weight in _binary(module))
    with torch.no_grad():
        right = (module.eval()(x).argmax(1) == y).float().mean()
    assert right > 0.75 and module.logged[-1] < module.logged[0]


def test_what_a_loop_trained_is_what_is_converted(tmp_path: Path) -> None:
    module, data = Classifier(), _data()
    fit(module, data, _nothing)
    model = bnnedge.convert(module, data, tmp_path / "m", classes=["less", "more"])
    with torch.no_grad():
        wanted = module.eval()(data.tensors[0]).argmax(1).numpy()
    assert np.array_equal(model.predict(data), wanted)
