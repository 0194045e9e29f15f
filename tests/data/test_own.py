"""A data set of the user's own: arrays in a folder, whole, damaged, and through a training."""

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bnnedge import verbs
from bnnedge.cli import main
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_dataset
from bnnedge.data.fetch import fetch
from bnnedge.errors import ConfigError, DataError
from bnnedge.recipe import Recipe, Use
from tests.networks import random_mlp

RECIPE = """\
name = "mine"
[network]
topology = "mlp"
hidden = [8]
[data]
dataset = "own"
folder = "arrays"
encoding = "threshold"
threshold = 100.0
[training]
epochs = 2
batch_size = 30
learning_rate = 0.02
"""


def own_arrays() -> dict[str, Any]:
    """Two classes, bright and dark."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part, count in (("train", 90), ("test", 30)):
        labels = np.arange(count) % 2
        bright = random.integers(0, 100, (count, 1, 4, 5)) + 120 * labels[:, None, None, None]
        arrays |= {f"x_{part}": bright.astype(np.uint8), f"y_{part}": labels}
    return arrays


def write(folder: Path, **instead: Any) -> Path:
    """A data set; other arrays, or None, take the place of its own."""
    folder.mkdir()
    for name, array in (own_arrays() | instead).items():
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    return folder


def test_arrays_are_a_data_set(tmp_path: Path) -> None:
    dataset = load_dataset(DatasetName.OWN, write(tmp_path / "arrays"))
    assert dataset.input_shape == (1, 4, 5) and dataset.classes == ("0", "1")
    assert (len(dataset.train), len(dataset.test), dataset.validation) == (90, 30, None)


def test_classes_may_have_names_and_validation_data_be_there(tmp_path: Path) -> None:
    more = {"x_validation": np.zeros((2, 1, 4, 5), np.uint8), "y_validation": np.array([0, 1])}
    folder = write(tmp_path / "arrays", **more)
    (folder / "classes.txt").write_text("dark\nbright\n")
    dataset = load_dataset(DatasetName.OWN, folder)
    assert dataset.classes == ("dark", "bright")
    assert dataset.validation is not None and len(dataset.validation) == 2


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"x_train": None}, "cannot read .*x_train.npy: No such file"),
        ({"y_test": None}, "y_test.npy is not in"),
        ({"x_train": np.zeros((90, 4), np.float32)}, r"wanted uint8 \(N, \*shape\), got float32"),
        ({"x_train": np.zeros(90, np.uint8)}, r"wanted uint8 \(N, \*shape\), got uint8 \(90,\)"),
        ({"x_test": np.zeros((30, 1, 5, 4), np.uint8)}, r"x_test.npy of uint8 \(N, 1, 4, 5\)"),
        ({"y_train": np.zeros(89, int)}, "wanted y_train.npy of 90 integers from 0 on"),
        ({"y_train": np.full(90, -1)}, "wanted y_train.npy of 90 integers from 0 on"),
        ({"y_train": np.full(90, 2**63, np.uint64)}, "integers from 0 on, got 9223372036854775808"),
        ({"y_train": np.zeros(90)}, "wanted y_train.npy of 90 integers from 0 on, got float64"),
        ({"y_train": np.arange(90) % 2 * 2}, "labels from 0 on, without gaps"),
        ({"x_validation": np.zeros((2, 1, 4, 5), np.uint8)}, "y_validation.npy is not in"),
        ({"y_train": np.array([None] * 90)}, "wanted an array of numbers"),
    ],
)
def test_what_is_wrong_is_said(instead: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays", **instead)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(DatasetName.OWN, folder)
    assert "\n" not in str(caught.value)


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays")
    (folder / "classes.txt").write_text("dark\n")
    with pytest.raises(DataError, match="wanted 2 different names, got 1"):
        load_dataset(DatasetName.OWN, folder)


def test_recipe_with_own_data_trains(tmp_path: Path) -> None:
    write(tmp_path / "arrays")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    trained = verbs.train(tmp_path / "recipe.toml", tmp_path / "train")
    assert trained.facts.test_accuracy > 0.9


def test_recipe_is_held_against_the_data(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace('"mlp"\nhidden = [8]', '"lenet5"'))
    Recipe.load(tmp_path / "recipe.toml")  # nothing is known of data that are not there
    with pytest.raises(ConfigError, match="data: cannot read .*x_train.npy"):
        Recipe.load(tmp_path / "recipe.toml", Use.TRAIN)
    write(tmp_path / "arrays")
    with pytest.raises(ConfigError, match="network: "):
        Recipe.load(tmp_path / "recipe.toml")


def test_own_data_want_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="own data want folder, that of their arrays, or package"):
        DataConfig(dataset=DatasetName.OWN, encoding=EncodingKind.INTEGER)
    with pytest.raises(DataError, match="nothing to fetch"):
        fetch(DatasetName.OWN)
    with pytest.raises(DataError, match="own data want the folder of their arrays, got none"):
        load_dataset(DatasetName.OWN)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("fetch own", 2, "'own' is not one of 'digits'"),
        ("export --model tfc --dataset own -o out", 2, "'own' is not one of 'digits'"),
        ("evaluate --model tfc --dataset own", 1, "no pretrained network tfc_own, there are: "),
        ("evaluate DATAFLOW --dataset own", 1, "folder of their arrays, got none — give --folder"),
    ],
)
def test_own_data_on_the_command_line(tmp_path: Path, command: str, code: int, words: str) -> None:
    (tmp_path / "dataflow").mkdir()
    random_mlp((20, 3)).save(tmp_path / "dataflow")
    given = command.replace("DATAFLOW", str(tmp_path / "dataflow"))
    result = CliRunner().invoke(main, given.split())
    assert result.exit_code == code and words in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "given", [lambda path: path, lambda path: str(path), lambda path: lambda: path]
)
def test_installed_package_brings_a_data_set(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "arrays")

    class Entries(list[Any]):
        names = frozenset({"theirs"})

    def entry_points(*, group: str, name: str = "theirs") -> Entries:
        found = (group, name) == ("bnnedge.datasets", "theirs")
        return Entries([SimpleNamespace(load=lambda: given(folder))] if found else [])

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    recipe = RECIPE.replace('folder = "arrays"', 'package = "theirs"')
    (tmp_path / "recipe.toml").write_text(recipe)
    data = Recipe.load(tmp_path / "recipe.toml", Use.TRAIN).data
    assert data.place == folder and data.input_shape == (1, 4, 5)
    (tmp_path / "recipe.toml").write_text(recipe.replace("theirs", "their"))
    with pytest.raises(ConfigError, match=r"has a data set 'their' \(did you mean theirs\?\)"):
        Recipe.load(tmp_path / "recipe.toml", Use.TRAIN)


def test_other_data_take_no_package() -> None:
    with pytest.raises(ConfigError, match="digits takes no package"):
        DataConfig(dataset=DatasetName.DIGITS, encoding=EncodingKind.INTEGER, package="x")


def test_an_archive_holds_the_same_arrays(tmp_path: Path) -> None:
    folder = write(tmp_path / "arrays")
    np.savez(tmp_path / "arrays.npz", **own_arrays())
    one = load_dataset(DatasetName.OWN, folder)
    other = load_dataset(DatasetName.NPZ, tmp_path / "arrays.npz")
    assert other.sha256() == one.sha256() and other.classes == one.classes
    recipe = RECIPE.replace('"own"\nfolder = "arrays"', '"npz"\nfile = "arrays.npz"')
    (tmp_path / "recipe.toml").write_text(recipe)
    assert Recipe.load(tmp_path / "recipe.toml", Use.TRAIN).data.input_shape == (1, 4, 5)


@pytest.mark.parametrize("missing", ["x_train", "y_train", "x_test", "y_test"])
def test_what_an_archive_lacks_is_said(missing: str, tmp_path: Path) -> None:
    arrays = own_arrays()
    del arrays[missing]
    np.savez(tmp_path / "arrays.npz", **arrays)
    with pytest.raises(DataError, match=f"{missing}.* is not in .*arrays.npz"):
        load_dataset(DatasetName.NPZ, tmp_path / "arrays.npz")
    (tmp_path / "arrays.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"arrays.zip: wanted a folder .* ends in .npz"):
        load_dataset(DatasetName.NPZ, tmp_path / "arrays.zip")
    with pytest.raises(ConfigError, match="npz wants file, that of the arrays"):
        DataConfig(dataset=DatasetName.NPZ, encoding=EncodingKind.INTEGER)


@pytest.mark.parametrize("name", ["images", "csv", "wav"])
def test_a_name_alone_says_where_files_are_taken(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: .* got a name alone — `bnnedge evaluate --inp"):
        load_dataset(DatasetName(name))
