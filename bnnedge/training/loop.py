"""The training loop: whole data sets as tensors, best epoch chosen on validation data."""

import contextlib
import copy
import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bnnedge.errors import ConfigError, TrainingError
from bnnedge.interrupts import go_on
from bnnedge.models.network import Network
from bnnedge.training.augment import Augmentation
from bnnedge.training.config import EpochReport, TrainingConfig
from bnnedge.training.inputs import EVALUATION_BATCH, Examples, Inputs
from bnnedge.training.loss import total_loss
from bnnedge.training.work import WorkFolder
from bnnedge.training.workers import Workers

_CHECK_EVERY = 100  # steps between looks at the losses: on a GPU every look waits for it


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a run gives; `model` holds the weights of `best_epoch`, in evaluation mode.

    `norms_retuned` says whether its BatchNorm statistics were taken anew afterwards.
    """

    model: Network
    best_epoch: int
    history: tuple[EpochReport, ...]
    norms_retuned: bool


@contextlib.contextmanager
def reproducible(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Inside the block torch is seeded and has its threads and algorithms set; not afterwards."""
    threads, forced = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    compute = config.compute
    if compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS wants it this way
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        torch.set_num_threads(compute.threads)
        torch.use_deterministic_algorithms(compute.deterministic or forced)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(forced)


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Adam's rate in `step` (from 0) of a training with `steps` an epoch."""
    warm = config.warmup_epochs * steps
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    done = (step - warm) / (config.epochs * steps - warm)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def accuracy(model: Network, inputs: Inputs, workers: Workers | None = None) -> float:
    """Share of examples whose class has the largest logit (the lowest index wins a tie)."""
    workers = workers or Workers()
    model.eval()
    hits = torch.zeros((), dtype=torch.int64, device=inputs.labels.device)
    for index in inputs.batches()[workers.rank :: workers.size]:
        hits += (model.classify(inputs.batch(index)).argmax(1) == inputs.labels[index]).sum()
    return int(workers.sum(hits)) / len(inputs)


class _Run:
    """What a training has come to; all of it goes into the saved state."""

    def __init__(self, model: Network, config: TrainingConfig) -> None:
        self.model = model
        self.optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        self.history: list[EpochReport] = []
        self.best_accuracy, self.best_epoch = -1.0, 0
        self.best: dict[str, Tensor] = {}

    def finish_epoch(self, report: EpochReport) -> None:
        """Note an epoch, and keep its weights if none before were better."""
        self.history.append(report)
        if report.validation_accuracy >= self.best_accuracy:
            self.best_accuracy, self.best_epoch = report.validation_accuracy, report.epoch
            self.best = copy.deepcopy(self.model.state_dict())

    def finished(self, *, norms_retuned: bool) -> Trained:
        """The network as it is now, trained."""
        model = self.model.eval()
        return Trained(
            model=model.to(memory_format=torch.contiguous_format),  # type: ignore[call-overload]
            best_epoch=self.best_epoch,
            history=tuple(self.history),
            norms_retuned=norms_retuned,
        )

    def state(self, device: torch.device) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": [dataclasses.asdict(report) for report in self.history],
            "best": (self.best_accuracy, self.best_epoch, self.best),
            "rng": torch.get_rng_state(),
            "device_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a `state`.

        Raises:
            ValueError: it is not one of this network and this bnnedge; nothing has changed then.
        """
        before = copy.deepcopy(self.state(device))
        try:
            self._take(state, device)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._take(before, device)
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def _take(self, state: dict[str, Any], device: torch.device) -> None:
        best_accuracy, best_epoch, best = state["best"]
        wanted = _shapes(self.model.state_dict())
        for tensors in (state["model"], best) if best else (state["model"],):
            if _shapes(tensors) != wanted:
                raise ValueError("its tensors are not the network's")
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = [EpochReport(**report) for report in state["history"]]
        self.best_accuracy, self.best_epoch, self.best = best_accuracy, best_epoch, best
        torch.set_rng_state(state["rng"])
        if state["device_rng"] is not None and device.type == "cuda":
            torch.cuda.set_rng_state(state["device_rng"], device)


def _shapes(tensors: dict[str, Tensor]) -> list[tuple[str, torch.Size]]:
    """Names and shapes, in order: the optimiser knows its parameters by their order alone."""
    return [(name, tensor.shape) for name, tensor in tensors.items()]


def fit(
    model: Network,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    *,
    teacher: Network | None = None,
    work: WorkFolder | None = None,
    workers: Workers | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Trained:
    """Train `model` in place, where it and the examples are (processor or GPU).

    Call inside `reproducible` for the same result every time.

    Args:
        model: the network.
        training: what it learns from.
        validation: what the epoch is selected on: the best, the later one of equals.
        config: how.
        teacher: the network to distil, if `config.distill` is set.
        work: where the state is kept after every epoch, and taken from at the start.
        workers: the processes that share the work.
        on_epoch: called after every epoch, in the leading process.

    Raises:
        TrainingError: the loss or the weights are no longer finite.
        ConfigError: the inputs cannot be augmented, or a batch cannot be shared evenly.
    """
    workers = workers or Workers()
    channels_last = config.compute.channels_last
    if channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    run, device = _Run(model, config), training.labels.device
    batch = _batch(config, len(training), workers)
    augmentation = Augmentation(config.augment, tuple(training.images.shape[1:]))
    inputs = Inputs(model, training, augmentation, teacher, channels_last)
    held_out = Inputs(model, validation, channels_last=channels_last)
    _go_on(run, work, workers, device)
    steps = len(training) // batch
    classify = torch.compile(model.classify) if config.compute.compile else model.classify
    with _kept(run, work, workers, device) as keep:
        for epoch in range(len(run.history), config.epochs):
            start = time.perf_counter()
            loss = _epoch(run, classify, inputs, config, epoch, steps, batch, workers)
            report = EpochReport(
                epoch=epoch + 1,
                epochs=config.epochs,
                loss=loss,
                learning_rate=learning_rate(config, epoch * steps, steps),
                validation_accuracy=accuracy(model, held_out, workers),
                seconds=time.perf_counter() - start,
            )
            run.finish_epoch(report)
            keep(report)
            if on_epoch is not None and workers.is_leader:
                on_epoch(report)
    model.load_state_dict(run.best)
    retuned = config.retune_norms and _retune_norms(model, training, held_out, run.best_accuracy)
    return run.finished(norms_retuned=retuned)


def _batch(config: TrainingConfig, images: int, workers: Workers) -> int:
    """Images per step. Raises ConfigError unless processes can share them evenly."""
    batch = min(config.batch_size, images)
    if batch % workers.size:
        raise ConfigError(
            f"a batch of {batch} cannot be shared by {workers.size} processes",
            remedy=f"choose a batch_size that {workers.size} divides",
        )
    return batch


def _go_on(run: _Run, work: WorkFolder | None, workers: Workers, device: torch.device) -> None:
    """Take the state of an interrupted training, where there is one that fits."""
    state = workers.tell(work.load() if work is not None and workers.is_leader else None)
    if state is not None:
        try:
            run.restore(state, device)
        except ValueError as error:  # in every process alike
            if work is not None and workers.is_leader:
                work.refuse(error)


@contextlib.contextmanager
def _kept(
    run: _Run, work: WorkFolder | None, workers: Workers, device: torch.device
) -> Iterator[Callable[[EpochReport], None]]:
    """What keeps the state and the curves after every epoch, in the leading process."""
    if work is None or not workers.is_leader:
        yield lambda report: None
        return
    with work.curves(len(run.history)) as curves:

        def keep(report: EpochReport) -> None:
            work.save(run.state(device), run.history)
            curves.add(report)

        yield keep


def _epoch(
    run: _Run,
    classify: Callable[..., Tensor],
    inputs: Inputs,
    config: TrainingConfig,
    epoch: int,
    steps: int,
    batch: int,
    workers: Workers,
) -> float:
    """Train one epoch; returns its mean loss."""
    device = inputs.labels.device
    model, parameters = run.model.train(), list(run.model.parameters())
    share = workers.share(batch)
    order = torch.randperm(len(inputs)).to(device)
    losses = torch.zeros(steps, device=device)
    for step in range(steps):
        go_on()
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(config, epoch * steps + step, steps)
        index = order[step * batch : (step + 1) * batch][share]
        x, teacher = inputs.training_batch(index, batch, share)
        amp = torch.autocast(device.type, torch.bfloat16, enabled=config.compute.amp)
        with amp:
            with workers.norms():
                logits = classify(x, dropout=config.dropout)
            loss = total_loss(logits, inputs.labels[index], teacher, config)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        workers.average_gradients_(parameters)
        run.optimiser.step()
        model.constrain_()
        losses[step] = loss.detach()
        if (step + 1) % _CHECK_EVERY == 0:
            _check_finite(losses, epoch, step + 1, config)
    losses = workers.sum(losses) / workers.size
    _check_finite(losses, epoch, steps, config)
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise _diverged(f"{name} is not finite at the end of epoch {epoch + 1}", config)
    return float(losses.double().sum()) / steps


def _check_finite(losses: Tensor, epoch: int, done: int, config: TrainingConfig) -> None:
    wrong = (~torch.isfinite(losses[:done])).nonzero()
    if len(wrong):
        step = int(wrong[0])
        where = f"in epoch {epoch + 1}, step {step + 1} of {len(losses)}"
        raise _diverged(f"the loss is {float(losses[step])} {where}", config)


def _diverged(what: str, config: TrainingConfig) -> TrainingError:
    return TrainingError(
        f"training diverged: {what}",
        remedy=f"lower learning_rate ({config.learning_rate:g}) or raise warmup_epochs "
        f"({config.warmup_epochs})",
    )


@torch.no_grad()
def _retune_norms(model: Network, training: Examples, held_out: Inputs, before: float) -> bool:
    """BatchNorm statistics over all training images, unless that loses validation accuracy.

    In training they are averages over the last batches, of weights that still changed. Here they
    are the mean over batches of every layer's batch statistics. The batches differ in size by one
    image at most, so that every image counts alike.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = copy.deepcopy(model.state_dict())
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
    model.train()
    inputs = Inputs(model, training)
    every = torch.arange(len(inputs), device=inputs.labels.device)
    for index in torch.tensor_split(every, math.ceil(len(inputs) / EVALUATION_BATCH)):
        model.classify(inputs.batch(index))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    if accuracy(model, held_out) >= before:
        return True
    model.load_state_dict(kept)
    return False
