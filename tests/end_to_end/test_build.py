"""One small network through every stage: build, resume, failure, and the verbs one by one."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import bnnedge
from bnnedge import steps, verbs
from bnnedge.errors import ConfigError, MismatchError
from bnnedge.pipeline import Build
from bnnedge.synthesis import flow
from tests.test_cli import RECIPE


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE + "[simulation]\nimages = 50\n")
    return path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="module")
def built(recipe: Path, out: Path) -> Build:
    return bnnedge.build(recipe, out)


def reused(build: Build) -> Mapping[str, bool]:
    return {stage.name: stage.reused for stage in build.stages}


def test_everything_is_there(built: Build, out: Path) -> None:
    assert not any(reused(built).values())
    assert built.bitstream is not None and built.bitstream.stat().st_size > 100_000
    sides = {(check.left, check.right) for check in built.checks}
    for left, right in (
        ("PyTorch", "QONNX"),
        ("PyTorch", "Dataflow"),
        ("QONNX", "Dataflow"),
        ("Dataflow", "RTL"),
        ("Dataflow", "netlist"),
        ("netlist", "bits"),
        ("Dataflow", "bits"),
        ("Dataflow", "simulated board"),
    ):
        assert (left, right) in sides
    page = built.report.read_text()
    assert "Every check passed" in page and "ulx3s-85f" in page
    assert not list(out.glob(".*"))


def test_people_are_told_how_large_and_how_fast_it_is(built: Build) -> None:
    told = "\n".join(built.lines)
    for what in ("LUT4: ", " images/s", "latency ", "test accuracy "):
        assert what in told


def test_a_second_build_does_nothing(built: Build, recipe: Path, out: Path) -> None:
    assert all(reused(bnnedge.build(recipe, out)).values())


def test_an_interrupted_build_goes_on(
    built: Build, recipe: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write_text(recipe.read_text().replace("images = 50", "images = 51"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(steps, "simulate", interrupt)
        bnnedge.build(recipe, out)
    again = reused(bnnedge.build(recipe, out))
    assert [name for name, up_to_date in again.items() if not up_to_date] == ["simulate"]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("left", "goes_on"),
    [
        ("train.partial-training/0/state.pt", True),
        ("train.teacher/artifact.json", True),
        ("rtl/artifact.json", True),
        ("report.html", True),
        ("thesis/chapter.tex", False),
        ("train.py", False),
        ("index.html", False),
    ],
)
def test_a_build_goes_on_from_whatever_is_left_of_it(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str, goes_on: bool
) -> None:
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).write_text("<title>small, bnnedge report</title>")
    monkeypatch.setattr(verbs, "train", interrupt)
    with pytest.raises(KeyboardInterrupt if goes_on else ConfigError) as caught:
        bnnedge.build(recipe, tmp_path)
    if not goes_on:
        assert f"it holds {left.split('/')[0]} — choose another out" in str(caught.value)


def differ(*_: object, **__: object) -> None:
    raise MismatchError("small: first: image 7, class 3: wanted 5, got -5")


def test_a_mismatch_fails_the_build_and_is_in_the_report(
    built: Build, recipe: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(MismatchError):
        patch.setattr(steps, "simulate", differ)
        bnnedge.build(recipe, out)
    page = (out / "report.html").read_text()
    assert "Every check passed" not in page
    assert "image 7, class 3: wanted 5, got -5" in page


def test_verbs_in_python_agree_with_the_build(built: Build, out: Path) -> None:
    dataflow = bnnedge.Dataflow.load(out / "lower")
    with np.load(out / "export" / "reference.npz") as reference:
        assert np.array_equal(dataflow.run(reference["inputs"]), reference["accumulators"])
        assert np.array_equal(dataflow.logits(reference["inputs"]), reference["logits"])
    by_backend = [
        bnnedge.evaluate(out / "lower", "digits", backend=backend).correct
        for backend in ("reference", "emulator", "rtl")
    ]
    trained = json.loads((out / "train" / "artifact.json").read_text())["facts"]
    assert by_backend == [round(trained["test_accuracy"] * trained["test_images"])] * 3


@pytest.mark.slow
def test_a_zynq_board_gets_everything_but_the_bitstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_has_vivado", lambda: False)
    recipe = tmp_path / "zynq.toml"
    recipe.write_text(RECIPE.replace("ulx3s-85f", "pynq-z2") + "[simulation]\nimages = 50\n")
    build = bnnedge.build(recipe, tmp_path / "out")
    assert build.bitstream is None
    assert "estimate" not in reused(build)
    assert (tmp_path / "out" / "synth" / "vivado" / "run.sh").is_file()
    assert ("Dataflow", "simulated board") in {(check.left, check.right) for check in build.checks}
    assert "its project is in synth/vivado" in build.report.read_text()
