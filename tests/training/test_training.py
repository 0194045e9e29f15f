"""Training: reproducible, selected on validation data, published whole or not at all."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bnnedge.artifacts import permitting
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_dataset
from bnnedge.errors import ArtifactError, ConfigError
from bnnedge.models.checkpoint import load_checkpoint, load_test_set
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.records import to_json
from bnnedge.training import EpochReport, TrainingConfig, train
from bnnedge.training.config import AugmentConfig, ComputeConfig, DistillConfig, Loss, TeacherConfig
from bnnedge.training.inputs import Examples, Inputs
from bnnedge.training.loop import accuracy, fit, reproducible
from tests.training.tiny import CPU, tiny_network, toy_examples

_NETWORK = NetworkConfig(topology=Topology.MLP, hidden=(32,))
_DATA = DataConfig(dataset=DatasetName.DIGITS, encoding=EncodingKind.THERMOMETER, levels=2)


def _training(seed: int = 0, epochs: int = 4) -> TrainingConfig:
    return TrainingConfig(epochs=epochs, batch_size=64, learning_rate=0.03, dropout=0.1, seed=seed)


def test_two_runs_are_identical_and_another_seed_is_not(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(_NETWORK, _DATA, _training(seed), tmp_path / name)
    a, b, c = (load_checkpoint(tmp_path / name) for name in "abc")
    for key, tensor in a.model.state_dict().items():
        assert torch.equal(tensor, b.model.state_dict()[key]), key
    assert any(
        not torch.equal(tensor, c.model.state_dict()[key])
        for key, tensor in a.model.state_dict().items()
    )
    assert [r["loss"] for r in a.record["history"]] == [r["loss"] for r in b.record["history"]]


def test_checkpoint_tells_what_was_trained_and_how_well(tmp_path: Path) -> None:
    said: list[str] = []
    before = torch.get_rng_state(), torch.get_num_threads()

    def note(what: str, share: float | None) -> None:
        said.append(what)

    artifact = train(_NETWORK, _DATA, _training(epochs=6), tmp_path / "t", progress=note)
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == torch.get_num_threads()
    reports = load_checkpoint(tmp_path / "t").record["history"]
    assert [report["epoch"] for report in reports] == [1, 2, 3, 4, 5, 6]
    assert said == [str(EpochReport(**report)) for report in reports]
    best = max(report["validation_accuracy"] for report in reports)
    assert artifact.facts.validation_accuracy == best
    chosen = reports[artifact.facts.best_epoch - 1]
    assert chosen["validation_accuracy"] == best

    checkpoint = load_checkpoint(tmp_path / "t")
    record = checkpoint.record
    assert record["metrics"] == to_json(artifact.facts)
    assert record["classes"] == list("0123456789")
    assert record["dataset"]["sha256"] == load_dataset(DatasetName.DIGITS).sha256()
    assert record["config"]["training"]["epochs"] == 6

    images, labels = load_test_set(tmp_path / "t", checkpoint)
    with torch.no_grad():
        classes = checkpoint.model(torch.from_numpy(images)).argmax(1).numpy()
    assert np.mean(classes == labels) == artifact.facts.test_accuracy
    assert artifact.facts.test_accuracy > 0.85


def test_nothing_changed_means_nothing_trained(tmp_path: Path) -> None:
    first = train(_NETWORK, _DATA, _training(epochs=1), tmp_path / "t")
    said: list[str] = []

    def note(what: str, share: float | None) -> None:
        said.append(what)

    again = train(_NETWORK, _DATA, _training(epochs=1), tmp_path / "t", progress=note)
    assert said == [] and again.fingerprint == first.fingerprint
    with pytest.raises(ArtifactError, match=r"another training \(training.epochs was 1, now 2\)"):
        train(_NETWORK, _DATA, _training(epochs=2), tmp_path / "t")
    with permitting(replace=True):
        train(_NETWORK, _DATA, _training(epochs=2), tmp_path / "t", progress=note)
    assert len(said) == 2
    assert (tmp_path / "t.replaced-1/checkpoint.pt").is_file()
    assert json.loads((tmp_path / "t/checkpoint.json").read_text())["metrics"]["best_epoch"] in (
        1,
        2,
    )


def test_best_epoch_is_the_one_best_on_validation_data() -> None:
    """Validation labels that only an untrained network satisfies make the first epoch the best."""
    training = toy_examples(256)
    contrary = Examples(images=training.images, labels=1 - training.labels)
    config = TrainingConfig(epochs=5, batch_size=32, learning_rate=0.02)
    with reproducible(config, CPU):
        model = tiny_network()
        trained = fit(model, training, contrary, config)
        history = [report.validation_accuracy for report in trained.history]
        assert history[-1] < max(history)
        assert trained.best_epoch == 1 + max(
            i for i, value in enumerate(history) if value == max(history)
        )
        assert accuracy(trained.model, Inputs(model, contrary)) == max(history)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs wants at least 1, got 0"),
        ({"batch_size": 1}, "batch_size wants at least 2"),
        ({"learning_rate": 0.0}, "learning_rate wants"),
        ({"dropout": 1.0}, "dropout wants"),
        ({"seed": -1}, "seed wants at least 0"),
        ({"label_smoothing": 1.0}, "label_smoothing wants a share"),
        ({"warmup_epochs": 1}, "warmup_epochs wants less than the 1 epochs, got 1"),
        (
            {"label_smoothing": 0.1, "loss": Loss.SQUARED_HINGE},
            "label_smoothing goes with cross_entropy, got loss squared_hinge",
        ),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**{"epochs": 1, "batch_size": 8, "learning_rate": 0.01, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ComputeConfig(threads=0), "threads wants 1…1024, got 0"),
        (lambda: AugmentConfig(shift=-1), "shift wants at least 0"),
        (lambda: AugmentConfig(scale=1.0), "scale wants a share"),
        (lambda: AugmentConfig(rotate=200.0), "rotate wants 0…180 degrees, got 200.0"),
        (lambda: DistillConfig(temperature=0.0), "temperature wants"),
        (lambda: DistillConfig(weight=0.0), "weight wants a share above 0"),
        (lambda: TeacherConfig(), "teacher wants either network and training, or checkpoint"),
        (lambda: TeacherConfig(network=_NETWORK), "teacher wants either"),
        (lambda: TeacherConfig(network=_NETWORK, checkpoint=Path("x")), "teacher wants either"),
    ],
)
def test_options_of_the_sub_tables_are_checked(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
