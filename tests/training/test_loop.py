"""Losses, rates, distillation, re-tuned norms and divergence, on networks of a few neurons."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.errors import ConfigError, TrainingError
from bnnedge.models.config import LayerConfig, NetworkConfig, PoolConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.training.augment import Augmentation
from bnnedge.training.config import (
    AugmentConfig,
    ComputeConfig,
    Device,
    DistillConfig,
    Loss,
    TrainingConfig,
)
from bnnedge.training.inputs import Examples, Inputs
from bnnedge.training.loop import accuracy, fit, learning_rate, reproducible
from bnnedge.training.loss import distillation_loss, label_loss, total_loss
from bnnedge.training.workers import Workers, torch_device
from tests.training.tiny import CPU, tiny_network, toy_examples

_LOGITS = torch.tensor([[2.0, -0.5, 0.25], [0.0, 0.0, 3.0]])
_LABELS = torch.tensor([0, 1])


def _config(**change: object) -> TrainingConfig:
    options = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02, **change}
    return TrainingConfig(**options)  # type: ignore[arg-type]


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    plain = [learning_rate(_config(), step, 10) for step in range(30)]
    assert plain == [0.02 * 0.5 * (1 + math.cos(math.pi * (step / 30))) for step in range(30)]
    warm = [learning_rate(_config(warmup_epochs=1), step, 10) for step in range(30)]
    assert warm[:10] == pytest.approx([0.002 * step for step in range(1, 11)])
    assert warm[10] == 0.02 and warm[10:] == sorted(warm[10:], reverse=True) and warm[-1] < 2e-4


def test_losses_are_their_formulas() -> None:
    chances = np.exp(_LOGITS.numpy()) / np.exp(_LOGITS.numpy()).sum(1, keepdims=True)
    target = np.array([[1, 0, 0], [0, 1, 0]]) * 0.85 + 0.05
    loss = label_loss(_LOGITS, _LABELS, _config(label_smoothing=0.15))
    assert float(loss) == pytest.approx(-(target * np.log(chances)).sum(1).mean(), rel=1e-5)

    hinge = label_loss(_LOGITS, _LABELS, _config(loss=Loss.SQUARED_HINGE))
    assert float(hinge) == ((0 + 0.5**2 + 1.25**2) + (1 + 1 + 4**2)) / 2


def test_distillation_is_the_softened_divergence() -> None:
    teacher = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    config = DistillConfig(temperature=3.0, weight=0.25)
    p, q = (np.exp(x.numpy() / 3) for x in (teacher, _LOGITS))
    p, q = (x / x.sum(1, keepdims=True) for x in (p, q))
    wanted = 9 * (p * np.log(p / q)).sum(1).mean()
    assert float(distillation_loss(_LOGITS, teacher, config)) == pytest.approx(wanted, rel=1e-5)
    both = total_loss(_LOGITS, _LABELS, teacher, _config(distill=config))
    labels = float(label_loss(_LOGITS, _LABELS, _config()))
    assert float(both) == pytest.approx(0.75 * labels + 0.25 * wanted, rel=1e-5)
    assert float(distillation_loss(teacher, teacher, config)) == pytest.approx(0, abs=1e-6)


def test_encoding_once_or_per_batch_is_the_same() -> None:
    model, examples = tiny_network(), toy_examples(70)
    index = torch.randperm(70)[:20]
    inactive = Inputs(model, examples, Augmentation(AugmentConfig(), (4, 6)), teacher=model)
    x, taught = inactive.training_batch(index, 20, slice(0, 20))
    assert torch.equal(x, model.encoding(examples.images[index].float()))
    assert taught is not None and torch.equal(taught, model(examples.images[index].float()))

    torch.manual_seed(3)
    config = AugmentConfig(shift=1)
    changing = Inputs(model, examples, Augmentation(config, (4, 6)), teacher=model)
    x, taught = changing.training_batch(index, 20, slice(0, 20))
    torch.manual_seed(3)
    augmentation = Augmentation(config, (4, 6))
    images = augmentation.apply(examples.images[index], augmentation.draw(20)).float()
    assert torch.equal(x, model.encoding(images))
    assert taught is not None and torch.equal(taught, model(images))
    assert torch.equal(changing.batch(index), model.encoding(examples.images[index].float()))


class _Echo(nn.Module):
    """A first layer's encoding that gives the raw values, moved."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


@pytest.mark.parametrize("by", [0.0, -128.0, -1.0, 0.5])
def test_encoded_values_survive_their_compact_storage(by: float) -> None:
    model, examples = tiny_network(), toy_examples(1000)
    model.encoding = _Echo(by)
    x = Inputs(model, examples).batch(torch.arange(1000))
    assert torch.equal(x, examples.images.float() + by)


@pytest.mark.smoke
def test_a_student_learns_from_its_teacher_alone() -> None:
    """The labels are all 0; what they should be is known to the teacher only."""
    examples = toy_examples(512)
    blank = Examples(images=examples.images, labels=torch.zeros_like(examples.labels))

    class Teacher(nn.Module):
        def forward(self, raw: Tensor) -> Tensor:
            right = raw.flatten(1)[:, :1] >= 128
            return torch.cat([(~right) * 4.0, right * 4.0], 1)

    distill = DistillConfig(temperature=1.0, weight=1.0)
    config = _config(epochs=20, distill=distill, augment=AugmentConfig(erase=1))
    with reproducible(config, CPU):
        model = tiny_network(hidden=(64,))
        trained = fit(model, blank, examples, config, teacher=Teacher())  # type: ignore[arg-type]
        assert accuracy(trained.model, Inputs(model, examples)) > 0.95


def test_retuned_norms_hold_the_statistics_of_all_training_images() -> None:
    """600 images are more than one batch: two of 300, each with its own variance."""
    examples = toy_examples(600)
    config = _config(retune_norms=True)
    with reproducible(config, CPU):
        trained = fit(tiny_network(), examples, examples, config)
        model = trained.model
        sums: list[Tensor] = []
        first = next(m for m in model.modules() if isinstance(m, nn.Linear))
        hook = first.register_forward_hook(lambda *call: sums.append(call[2]))
        model.classify(Inputs(model, examples).batch(torch.arange(600)))
        hook.remove()
    norm = next(m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    assert norm.momentum == 0.1 and norm.running_mean is not None and norm.running_var is not None
    variance = (sums[0][:300].var(0) + sums[0][300:].var(0)) / 2
    assert trained.norms_retuned
    assert torch.allclose(norm.running_mean, sums[0].mean(0), atol=1e-4)
    assert torch.allclose(norm.running_var, variance, rtol=1e-4)
    assert not model.training


def test_norms_stay_where_retuning_loses_accuracy() -> None:
    """Training images unlike the validation's give statistics that do not suit them."""
    examples = toy_examples(512)
    dark = Examples(images=examples.images // 4 + 64, labels=examples.labels)
    config = _config(epochs=1, learning_rate=1e-6, retune_norms=True)
    with reproducible(config, CPU):
        model = tiny_network()
        fit(model, examples, examples, _config(epochs=6))
        before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
        trained = fit(model, dark, examples, config)
    assert not trained.norms_retuned
    after = model.state_dict()
    best = trained.history[trained.best_epoch - 1].validation_accuracy
    assert accuracy(model, Inputs(model, examples)) == best and before.keys() <= after.keys()


def test_an_infinite_loss_names_epoch_and_step() -> None:
    examples, model = toy_examples(200), tiny_network()
    norm = next(m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    calls: list[int] = []

    def spoil(*_: object) -> None:
        calls.append(1)
        if len(calls) == 8:  # 6 steps an epoch, no evaluation counted: step 2 of epoch 2
            last = list(model.parameters())[-1]
            last.data.fill_(math.nan)

    model.train()
    norm.register_forward_hook(lambda m, i, o: spoil() if m.training else None)
    message = r"the loss is nan in epoch 2, step 2 of 6 — lower learning_rate \(0.02\)"
    with reproducible(_config(), CPU), pytest.raises(TrainingError, match=message):
        fit(model, examples, examples, _config())


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    examples, model = toy_examples(64), tiny_network()
    with pytest.raises(ConfigError, match="a batch of 32 cannot be shared by 3 processes"):
        fit(model, examples, examples, _config(), workers=Workers(rank=0, size=3))


def test_weights_that_are_not_finite_are_noticed_behind_a_finite_loss() -> None:
    """A sign hides an infinite weight from everything behind it."""
    examples, model = toy_examples(200), tiny_network()
    norm = next(m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    with torch.no_grad():
        norm.weight[0] = math.inf
        norm.bias[0] = 1
    with (
        reproducible(_config(), CPU),
        pytest.raises(TrainingError, match="weight is not finite at the end of epoch 1"),
    ):
        fit(model, examples, examples, _config(learning_rate=1e-6))


def test_channels_last_trains_the_same_network() -> None:
    """Sums of ±1 are exact in any order; what is left are roundings in the norms."""
    examples = toy_examples(160, (1, 12, 12))
    layers = (LayerConfig(conv=4, pool=PoolConfig(size=2)), LayerConfig(dense=8))
    losses = []
    for channels_last in (False, True):
        config = _config(compute=ComputeConfig(channels_last=channels_last))
        with reproducible(config, CPU):
            model = build_network(
                NetworkConfig(topology=Topology.CONV, layers=layers),
                input_shape=(1, 12, 12),
                encoding=IntegerEncoding(),
                classes=2,
            )
            trained = fit(model, examples, examples, config)
        losses.append([report.loss for report in trained.history])
        assert all(p.is_contiguous() for p in model.parameters())
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("option", ["amp", "deterministic"])
def test_ways_to_compute_learn_the_same_task(option: str) -> None:
    examples = toy_examples(512)
    compute = ComputeConfig(amp=option == "amp", deterministic=option == "deterministic")
    config = _config(epochs=15, compute=compute, augment=AugmentConfig(erase=1))
    with reproducible(config, CPU):
        trained = fit(tiny_network(hidden=(64,)), examples, examples, config)
    assert trained.history[trained.best_epoch - 1].validation_accuracy > 0.9
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert torch_device(Device.AUTO) == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ConfigError, match="a GPU for every process, got 1 GPUs for process 2"):
        torch_device(Device.AUTO)
    assert torch_device(Device.CPU) == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device(Device.AUTO) == CPU
    with pytest.raises(ConfigError, match='got 0 GPUs .* device = "cpu"'):
        torch_device(Device.CUDA)
