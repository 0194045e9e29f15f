"""The training loop: whole data sets as tensors, best epoch chosen on validation data."""

import contextlib
import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bnnedge.models.mlp import Mlp
from bnnedge.training.config import EpochReport, Progress, TrainingConfig

_EVALUATION_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Inputs of the first layer with labels.

    Attributes:
        bits: int8 ±1 (N, features).
        labels: int64 (N,).
    """

    bits: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a run gives; `model` holds the weights of `best_epoch`."""

    model: Mlp
    best_epoch: int
    history: tuple[EpochReport, ...]


@contextlib.contextmanager
def reproducible(config: TrainingConfig) -> Iterator[None]:
    """Seed torch and fix its threads inside the block; both are as before afterwards."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def encode(model: Mlp, inputs: Tensor, labels: Tensor) -> Examples:
    """Raw inputs float32 (N, *shape) and labels → examples; the encoding is not trained."""
    with torch.no_grad():
        batches = torch.split(inputs, _EVALUATION_BATCH)
        bits = torch.cat([model.encoding(batch).to(torch.int8) for batch in batches])
    return Examples(bits=bits, labels=labels)


@torch.no_grad()
def accuracy(model: Mlp, examples: Examples) -> float:
    """Share of examples whose class has the largest logit (the lowest index wins a tie)."""
    model.eval()
    hits = 0
    for bits, labels in zip(
        torch.split(examples.bits, _EVALUATION_BATCH),
        torch.split(examples.labels, _EVALUATION_BATCH),
        strict=True,
    ):
        hits += int((model.classify(bits.float()).argmax(1) == labels).sum())
    return hits / len(examples.labels)


def fit(
    model: Mlp,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    progress: Progress | None = None,
) -> Trained:
    """Train `model` in place. Call inside `reproducible` for the same result every time.

    Returns the weights of the epoch with the best validation accuracy, the later one of equals.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    batch = min(config.batch_size, len(training.labels))
    steps = len(training.labels) // batch
    history: list[EpochReport] = []
    best_accuracy, best_epoch, best = -1.0, 0, model.state_dict()
    for epoch in range(config.epochs):
        start = time.perf_counter()
        model.train()
        order = torch.randperm(len(training.labels))
        total = 0.0
        for step in range(steps):
            done = (epoch * steps + step) / (config.epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            index = order[step * batch : (step + 1) * batch]
            logits = model.classify(training.bits[index].float(), dropout=config.dropout)
            loss = functional.cross_entropy(logits, training.labels[index])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            model.constrain_()
            total += float(loss.detach())
        report = EpochReport(
            epoch=epoch + 1,
            epochs=config.epochs,
            loss=total / steps,
            validation_accuracy=accuracy(model, validation),
            seconds=time.perf_counter() - start,
        )
        history.append(report)
        if report.validation_accuracy >= best_accuracy:
            best_accuracy, best_epoch = report.validation_accuracy, epoch + 1
            best = copy.deepcopy(model.state_dict())
        if progress is not None:
            progress(report)
    model.load_state_dict(best)
    return Trained(model=model.eval(), best_epoch=best_epoch, history=tuple(history))
