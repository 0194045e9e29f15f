"""An interrupted training goes on, and gives what it would have given without the interruption."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bnnedge.artifacts import Artifact
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.errors import BnnEdgeWarning
from bnnedge.models.checkpoint import load_checkpoint
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.training import TrainingConfig, train
from bnnedge.training.facts import TrainingFacts

_OPTIONS = {"epochs": 4, "batch_size": 64, "learning_rate": 0.03, "dropout": 0.1}


def _train(
    out: Path, on_epoch: Callable[[int], None] = lambda epoch: None, **change: object
) -> Artifact[TrainingFacts]:
    return train(
        NetworkConfig(topology=Topology.MLP, hidden=(32,)),
        DataConfig(dataset=DatasetName.DIGITS, encoding=EncodingKind.THERMOMETER, levels=2),
        TrainingConfig(**{**_OPTIONS, **change}),  # type: ignore[arg-type]
        out,
        progress=lambda what, _: on_epoch(int(what.split()[1])),
    )


def _interrupted(out: Path, after: int, seen: list[int] | None = None, **change: object) -> None:
    def interrupt(epoch: int) -> None:
        if seen is not None:
            seen.append(epoch)
        if epoch == after:
            os.kill(os.getpid(), signal.SIGINT)

    # A shell gives its background jobs no Ctrl-C; the handler has to be there all the same.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            _train(out, interrupt, **change)
    finally:
        signal.signal(signal.SIGINT, before)


def _assert_equal(left: Path, right: Path) -> None:
    a, b = load_checkpoint(left), load_checkpoint(right)
    for key, tensor in a.model.state_dict().items():
        assert torch.equal(tensor, b.model.state_dict()[key]), key
    timeless = [
        [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in c.record["history"]]
        for c in (a, b)
    ]
    assert timeless[0] == timeless[1] and len(timeless[0]) == 4
    assert a.record["metrics"]["best_epoch"] == b.record["metrics"]["best_epoch"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole") / "t"
    _train(out)
    return out


def test_ctrl_c_leaves_a_state_to_go_on_from(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "t"
    _interrupted(out, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["t.partial-training"]
    _interrupted(out, 3, seen := [])
    assert seen == [3]
    _train(out, seen.append)
    assert seen == [3, 4]
    _assert_equal(out, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_killed_process_leaves_a_state_too(tmp_path: Path, whole: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from tests.training import test_resume as t\n"
        "def kill(epoch):\n"
        "    if epoch == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"t._train(Path({str(tmp_path / 't')!r}), kill)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    _train(tmp_path / "t", (seen := []).append)
    assert seen == [3, 4]
    _assert_equal(tmp_path / "t", whole)


def test_a_changed_recipe_begins_anew_and_keeps_the_other_state(tmp_path: Path) -> None:
    out = tmp_path / "t"
    _interrupted(out, 2)
    _interrupted(out, 1, seen := [], learning_rate=0.02)
    assert seen == [1]
    _train(out, seen.append)
    assert seen == [1, 3, 4]
    assert len(list(tmp_path.glob("t.partial-training/*/state.pt"))) == 1  # the other one


def test_a_damaged_state_begins_anew(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "t"
    _interrupted(out, 2)
    (state,) = tmp_path.glob("t.partial-training/*/state.pt")
    state.write_bytes(state.read_bytes()[:-999])
    with pytest.warns(BnnEdgeWarning, match="training begins anew"):
        _train(out, (seen := []).append)
    assert seen == [1, 2, 3, 4]
    _assert_equal(out, whole)


def _rename(state: dict[str, Any]) -> None:
    state["model"] = {f"old.{name}": tensor for name, tensor in state["model"].items()}


def _reorder(state: dict[str, Any]) -> None:
    state["model"] = dict(reversed(state["model"].items()))


def _age(state: dict[str, Any]) -> None:
    state["format"] -= 1


def _forget(state: dict[str, Any]) -> None:
    del state["optimiser"]


def _lengthen(state: dict[str, Any]) -> None:
    """Noticed when the weights and the optimiser have been taken from it already."""
    state["history"][0]["colour"] = 1


@pytest.mark.parametrize("change", [_rename, _reorder, _age, _forget, _lengthen])
def test_a_state_of_another_bnnedge_begins_anew_and_says_so_once(
    tmp_path: Path,
    whole: Path,
    change: Callable[[dict[str, Any]], None],
) -> None:
    out = tmp_path / "t"
    _interrupted(out, 2)
    (path,) = tmp_path.glob("t.partial-training/*/state.pt")
    change(state := torch.load(path, weights_only=True))
    torch.save(state, path)
    with pytest.warns(BnnEdgeWarning, match="training begins anew") as said:
        _train(out, (seen := []).append)
    assert seen == [1, 2, 3, 4]
    _assert_equal(out, whole)
    (warning,) = (each for each in said if each.category is BnnEdgeWarning)
    assert str(path) in str(warning.message)
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    assert [point.step for point in events.Scalars("loss")] == [1, 2, 3, 4]


def test_logs_have_every_epoch_once(tmp_path: Path) -> None:
    out = tmp_path / "t"
    _interrupted(out, 2)
    _train(out)
    with (out / "history.csv").open() as source:
        rows = list(csv.DictReader(source))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    history = load_checkpoint(out).record["history"]
    assert [float(row["loss"]) for row in rows] == [epoch["loss"] for epoch in history]
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    points = events.Scalars("validation_accuracy")
    assert [point.step for point in points] == [1, 2, 3, 4]
    for point, epoch in zip(points, history, strict=True):
        assert point.value == pytest.approx(epoch["validation_accuracy"], abs=1e-6)
