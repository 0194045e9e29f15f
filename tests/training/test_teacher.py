"""A student with a teacher: trained first, or taken from a checkpoint."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge.artifacts import permitting
from bnnedge.config import load_toml
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.errors import ArtifactError, CheckpointError, ConfigError
from bnnedge.models.checkpoint import load_checkpoint
from bnnedge.models.config import NetworkConfig, Precision, Topology
from bnnedge.recipe import Recipe
from bnnedge.training import TeacherConfig, TrainingConfig, stage, train
from bnnedge.training.config import ComputeConfig, Device, DistillConfig, Loss
from bnnedge.training.workers import Workers

_DATA = DataConfig(dataset=DatasetName.DIGITS, encoding=EncodingKind.THERMOMETER, levels=2)
_STUDENT = NetworkConfig(topology=Topology.MLP, hidden=(16,))
_TEACHER = NetworkConfig(
    topology=Topology.MLP, hidden=(64,), weights=Precision.FLOAT, activations=Precision.FLOAT
)
_TAUGHT = TrainingConfig(epochs=2, batch_size=64, learning_rate=0.02, distill=DistillConfig())
_LONG = TrainingConfig(epochs=3, batch_size=64, learning_rate=0.005)


def test_the_teacher_is_trained_once_and_its_student_depends_on_it(tmp_path: Path) -> None:
    seen: list[str] = []

    def note(what: str, share: float) -> None:
        seen.append(what.partition(", val")[0])

    out, teacher = tmp_path / "t", TeacherConfig(network=_TEACHER, training=_LONG)
    first = train(
        _STUDENT,
        _DATA,
        _TAUGHT,
        out,
        teacher=teacher,
        progress=note,
    )
    assert seen == [
        *("teacher, epoch 1 of 3", "teacher, epoch 2 of 3", "teacher, epoch 3 of 3"),
        *("epoch 1 of 2", "epoch 2 of 2"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t", "t.teacher"]
    model = load_checkpoint(tmp_path / "t.teacher").model
    assert model.config == _TEACHER and model.input_encoding.name == "uint8"
    train(_STUDENT, _DATA, _TAUGHT, out, teacher=teacher, progress=note)
    assert len(seen) == 5

    given = TeacherConfig(checkpoint=tmp_path / "t.teacher")
    again = train(_STUDENT, _DATA, _TAUGHT, out, teacher=given, progress=note)
    assert again.fingerprint == first.fingerprint and len(seen) == 5
    train(_STUDENT, _DATA, _LONG, tmp_path / "other")
    other = TeacherConfig(checkpoint=tmp_path / "other")
    with permitting(replace=True):
        assert train(_STUDENT, _DATA, _TAUGHT, out, teacher=other).fingerprint != first.fingerprint


def test_a_teacher_is_not_trained_for_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/thesis.tex").touch()
    teacher = TeacherConfig(network=_TEACHER, training=_LONG)
    with pytest.raises(ArtifactError, match="was not written by bnnedge"):
        train(_STUDENT, _DATA, _TAUGHT, tmp_path / "t", teacher=teacher)
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_teacher_and_student_share_one_group_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that torchrun started cannot safely meet twice."""
    met: list[tuple[Device, ...]] = []

    @contextlib.contextmanager
    def workers(*devices: Device) -> Iterator[Workers]:
        met.append(devices)
        yield Workers()

    monkeypatch.setattr(stage, "workers", workers)
    here = dataclasses.replace(_LONG, epochs=1, compute=ComputeConfig(device=Device.CPU))
    teacher = TeacherConfig(network=_TEACHER, training=here)
    train(_STUDENT, _DATA, dataclasses.replace(_TAUGHT, epochs=1), tmp_path / "t", teacher=teacher)
    assert met == [(Device.AUTO, Device.CPU)] and (tmp_path / "t.teacher").is_dir()


def test_a_teacher_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    teacher = TeacherConfig(checkpoint=tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="nothing: checkpoint.pt is missing"):
        train(_STUDENT, _DATA, _TAUGHT, tmp_path / "t", teacher=teacher)
    with pytest.raises(ConfigError, match=r"go together, got only \[training.distill\]"):
        train(_STUDENT, _DATA, _TAUGHT, tmp_path / "t")
    with pytest.raises(ConfigError, match=r"go together, got only \[teacher\]"):
        train(_STUDENT, _DATA, _LONG, tmp_path / "t", teacher=teacher)
    with pytest.raises(ConfigError, match="a teacher has no teacher"):
        TeacherConfig(network=_TEACHER, training=_TAUGHT)


def test_a_recipe_says_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        """
        name = "r"
        network = { topology = "tfc" }
        data = { dataset = "mnist", encoding = "integer" }
        hardware = { board = "ulx3s-85f", clock_mhz = 50, target_fps = 100 }
        [training]
        epochs = 9
        batch_size = 100
        learning_rate = 0.01
        warmup_epochs = 2
        loss = "squared_hinge"
        retune_norms = true
        augment = { shift = 2, flip = true, rotate = 10, scale = 0.1, erase = 4 }
        distill = { temperature = 2, weight = 0.3 }
        compute = { device = "cpu", threads = 2, amp = true, compile = true, deterministic = true }
        [teacher]
        checkpoint = "big"
        """
    )
    recipe = Recipe.load(tmp_path / "r.toml")
    assert recipe.teacher == TeacherConfig(checkpoint=tmp_path / "big")
    assert recipe.training.loss is Loss.SQUARED_HINGE and recipe.training.compute.amp
    assert recipe.training.distill == DistillConfig(temperature=2, weight=0.3)
    (tmp_path / "bad.toml").write_text(
        "epochs = 1\nbatch_size = 9\nlearning_rate = 1\naugment.x = 1"
    )
    with pytest.raises(ConfigError, match="bad.toml: augment: unknown key x"):
        load_toml(tmp_path / "bad.toml", TrainingConfig)
