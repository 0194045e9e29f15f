"""Arrays and torch's data sets become the folder that a recipe takes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from bnnedge.data import DatasetName, load_dataset, save_arrays
from bnnedge.errors import ConfigError, DataError

LABELS = np.arange(20) % 2
BYTES = np.random.default_rng(0).integers(0, 256, (20, 1, 4, 5), np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        (BYTES, LABELS),
        (BYTES.astype(np.int64), LABELS.astype(np.uint8)),
        (torch.from_numpy(BYTES / np.float32(255)), torch.from_numpy(LABELS)),
        (TensorDataset(torch.from_numpy(BYTES), torch.from_numpy(LABELS)),),
        (list(zip(BYTES, LABELS, strict=True)),),
    ],
)
def test_pairs_of_any_kind_are_a_data_set(given: tuple[Any, ...], tmp_path: Path) -> None:
    save_arrays(tmp_path / "arrays", *given, classes=("dark", "bright"), seed=3)
    data = load_dataset(DatasetName.OWN, tmp_path / "arrays")
    assert data.classes == ("dark", "bright") and data.input_shape == (1, 4, 5)
    assert np.bincount(data.test.labels).tolist() == [2, 2]
    kept = np.concatenate([data.train.images, data.test.images])
    assert sorted(map(bytes, kept)) == sorted(map(bytes, BYTES))


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ((BYTES[:, 0, 0, 0], LABELS), {}, r"inputs: wanted \(N, \*shape\), got \(20,\)"),
        ((BYTES * 2.0, LABELS), {}, "inputs: wanted floats of 0…1, got .* — scale them, or write"),
        ((np.full((20, 2), np.nan), LABELS), {}, "inputs: wanted floats of 0…1, got nan"),
        ((BYTES.astype(int) - 1000, LABELS), {}, "inputs: wanted integers of 0…255, got -"),
        ((BYTES.astype(str), LABELS), {}, "inputs: wanted numbers, got <U"),
        (([[1], [1, 2]], LABELS), {}, "inputs: wanted an array, got list"),
        ((BYTES, LABELS[:3]), {}, r"labels: wanted 20 integers from 0 on, got int64 \(3,\)"),
        ((BYTES, LABELS / 2), {}, "labels: wanted 20 integers from 0 on, got float64"),
        ((BYTES, LABELS * 2), {}, "labels: wanted all of 0…2, each with a name of its own, got 2"),
        ((BYTES, LABELS), {"classes": ("a", "a")}, "labels: wanted all of 0…1, each with a name"),
        ((BYTES, LABELS), {"classes": ("a", "b\n")}, "classes: a name: wanted 1 to 255 printable"),
        ((BYTES, LABELS), {"test_fraction": 2}, "test_fraction: wanted a share between 0 and 1"),
        ((BYTES, LABELS - 1), {}, "labels: wanted 20 integers from 0 on, got -1 to 0"),
        ((BYTES, LABELS), {"classes": (1, 2)}, "classes: wanted names, got 1"),
        ((BYTES, LABELS), {"seed": -1}, "seed: wanted an integer from 0 on, got -1"),
        (
            (torch.zeros(20, 3, requires_grad=True), LABELS),
            {},
            "inputs: wanted an array, got Tensor",
        ),
        ((BYTES[:3], LABELS[:3]), {}, "wanted at least 2 inputs of class '0'"),
        ((BYTES,), {}, "wanted arrays with labels, or a data set of pairs"),
        ((7,), {}, "wanted arrays with labels, or a data set of pairs .*, got int"),
    ],
)
def test_what_is_no_data_set_is_refused(
    given: tuple[Any, ...], more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        save_arrays(tmp_path / "arrays", *given, **more)
    assert "\n" not in str(caught.value) and not (tmp_path / "arrays").exists()


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is there already"):
        save_arrays(tmp_path, BYTES, LABELS)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(DataError, match="link: is there already"):
        save_arrays(tmp_path / "link", BYTES, LABELS)


@pytest.mark.parametrize("given", [{"seed": "a"}, {"test_fraction": "a"}, {"folder": 3}])
def test_arguments_of_other_types_are_one_line(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"save_arrays: {next(iter(given))} wants"):
        save_arrays(**{"folder": tmp_path / "arrays", "inputs": BYTES, "labels": LABELS, **given})
