"""Values given beside a recipe are read as those in its file are."""

from pathlib import Path
from typing import Any

import pytest

import bnnedge as package
from bnnedge.changes import changed, parse_changes, words
from bnnedge.errors import ConfigError
from bnnedge.recipe import Recipe
from tests.test_cli import bnnedge, one_line, recipe


def load(tmp_path: Path, *changes: str) -> Recipe:
    return Recipe.load(recipe(tmp_path), changes=parse_changes(changes))


def test_values_have_the_types_of_the_recipe_and_the_last_one_counts(tmp_path: Path) -> None:
    made = load(
        tmp_path, "training.epochs=3", "training.epochs = 5", "network.hidden=[16, 8]", "name=other"
    )
    assert made.training.epochs == 5 and made.network.hidden == (16, 8) and made.name == "other"


def test_sections_that_the_file_has_not_can_be_given(tmp_path: Path) -> None:
    assert load(tmp_path, "simulation.images=7").simulation.images == 7
    assert load(tmp_path, "hardware.board=pynq-z2").hardware is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=5", r"training: unknown key epoch \(did you mean epochs\?\)"),
        ("trainig.epochs=5", r"unknown key trainig \(did you mean training\?\)"),
        ("training.epochs=five", "training.epochs: wanted int, got 'five'"),
        ("training.epochs=5.5", "training.epochs: wanted int, got 5.5"),
        ("training.epochs=0", "epochs wants at least 1, got 0"),
        ("training.epochs.x=1", "training.epochs.x: epochs is no section"),
        ("hardware.board=nowhere.toml", "nowhere.toml"),
        ("epochs", "set: wanted KEY=VALUE, e.g. training.epochs=5, got 'epochs'"),
        ("training..epochs=5", "set: wanted KEY=VALUE"),
        ("=5", "set: wanted KEY=VALUE"),
        (f"name={'x' * 5000}", "set: wanted KEY=VALUE"),
        ("network.hidden=" + "[" * 2000, "wanted a list"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, change)
    assert "\n" not in str(caught.value)


def test_the_table_of_the_file_stays_as_it_is() -> None:
    record: dict[str, Any] = {"training": {"epochs": 1}}
    assert changed(record, {"training.epochs": 2}) == {"training": {"epochs": 2}}
    assert record == {"training": {"epochs": 1}}


def test_paths_are_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    path = recipe(tmp_path, '"digits"', '"mnist"')
    data = Recipe.load(path, changes={"data.folder": "images"}).data
    assert data.folder == tmp_path / "here" / "images"
    with pytest.raises(ConfigError, match=f"cannot read {tmp_path}/here/own.toml"):
        Recipe.load(path, changes={"hardware.board": "own.toml"})


def test_they_are_words_of_the_command_line() -> None:
    changes = {"training.epochs": 5, "network.hidden": [8, 4], "hardware.board": "pynq-z2"}
    given = words(changes)
    assert given[:2] == ["--set", "training.epochs=5"]
    assert parse_changes(given[1::2]) == changes


def test_a_training_takes_them(tmp_path: Path) -> None:
    said = bnnedge(
        *("train", recipe(tmp_path), "-o", tmp_path / "out"),
        *("--set", "training.epochs=2", "--set", "network.hidden=[4]", "--json"),
    )
    assert said.exit_code == 0 and '"epochs": 2' in said.output
    one_line(
        bnnedge("train", recipe(tmp_path), "-o", tmp_path / "o", "--set", "training.epoch=2"),
        "did you mean epochs?",
    )
    with pytest.raises(ConfigError, match="unknown key epoch"):
        package.build(recipe(tmp_path), tmp_path / "b", changes={"training.epoch": 2})
    assert not (tmp_path / "o").exists() and not (tmp_path / "b").exists()
