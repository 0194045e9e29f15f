"""Data sets that lie inside packages: on packages that are made here; slowly, on the real ones."""

import dataclasses
import importlib.util
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import bnnedge
from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import load_dataset
from bnnedge.models.config import Precision
from bnnedge.recipe import Recipe
from bnnedge.recipes import RECIPES

_SCRIPTS = Path(__file__).parents[2] / "build_scripts"
_MOST_BEHIND = 0.03
_HEADER = "# a comment\n@problemName x\n@classLabel true 1 2\n@data\n"


@pytest.fixture(scope="module")
def package_data() -> ModuleType:
    spec = importlib.util.spec_from_file_location("package_data", _SCRIPTS / "package_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_series_become_bytes_between_their_ends(tmp_path: Path, package_data: ModuleType) -> None:
    """Each channel by itself; what is beyond the training data's ends is clipped."""
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        train = f"{_HEADER}0,1,2:-10,0,10:1\n2,1,0:10,10,10:2\n"
        archive.writestr(package_data._TS.format("TRAIN"), train)
        archive.writestr(package_data._TS.format("TEST"), f"{_HEADER}-5,1,9:0,5,10:2\n\n")
    arrays = package_data.vowels(tmp_path / "a.whl")
    assert arrays["x_train"][0].tolist() == [[0, 128, 255], [0, 128, 255]]
    assert arrays["x_test"].tolist() == [[[0, 128, 255], [128, 191, 255]]]
    assert (arrays["y_train"].tolist(), arrays["y_test"].tolist()) == ([0, 1], [1])
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    data = load_dataset(DatasetName.NPZ, tmp_path / "a.npz")
    assert data.input_shape == (2, 3) and len(data.classes) == 2


def test_an_r_table_is_divided(tmp_path: Path, package_data: ModuleType) -> None:
    rdata = importlib.import_module("rdata")
    pandas = importlib.import_module("pandas")
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (40, 3))
    table = pandas.DataFrame(
        {f"V{i}": pandas.Categorical(bits[:, i].astype(str)) for i in range(3)}
    )
    table["Class"] = pandas.Categorical(np.where(bits[:, 0] == 1, "ei", "n"))
    rdata.write_rda(tmp_path / "DNA.rda", {"DNA": table})
    arrays = package_data.dna(tmp_path / "DNA.rda")
    assert arrays["x_train"].shape == (32, 3) and arrays["x_test"].shape == (8, 3)
    for part in ("train", "test"):
        assert np.array_equal(arrays[f"y_{part}"], 1 - arrays[f"x_{part}"][:, 0])


@pytest.mark.parametrize("name", ["vowels", "dna"])
def test_a_recipe_takes_such_arrays(name: str) -> None:
    recipe = Recipe.load(RECIPES / f"{name}.toml")
    assert recipe.name == name and recipe.data.file is not None
    assert recipe.data.file.name == f"{name}.npz" and recipe.hardware is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vowels", "dna"])
def test_the_real_ones_train_as_well_as_their_float_twins(
    name: str, tmp_path: Path, package_data: ModuleType
) -> None:
    """And are simulated, with stalls, on every test example."""
    fetch, read = package_data._SETS[name]
    try:
        arrays = read(fetch(tmp_path))
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no package: {error}")
    np.savez_compressed(tmp_path / f"{name}.npz", **arrays)
    shutil.copy(RECIPES / f"{name}.toml", tmp_path)
    recipe = Recipe.load(tmp_path / f"{name}.toml")
    real = Precision.FLOAT
    twin = dataclasses.replace(recipe.network, weights=real, activations=real, first_last=real)
    accuracies = []
    for part, network in (("binary", recipe.network), ("twin", twin)):
        bnnedge.train(dataclasses.replace(recipe, network=network), tmp_path / part)
        record = json.loads((tmp_path / part / "checkpoint.json").read_text())
        accuracies.append(record["metrics"]["test_accuracy"])
    assert accuracies[0] > accuracies[1] - _MOST_BEHIND
    bnnedge.export(tmp_path / "binary", tmp_path / "export")
    bnnedge.lower(tmp_path / "export", tmp_path / "lower", name=name)
    bnnedge.rtl(tmp_path / "lower", tmp_path / "rtl", target_fps=1e5, clock_mhz=50)
    found = bnnedge.simulate(tmp_path / "rtl", inputs=arrays["x_test"])
    assert not found.generated and found.images > 0 and len(found.runs) > 1
