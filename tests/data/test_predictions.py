"""Names of classes and the reading of files go with the network, from the recipe to its answers."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import bnnedge
from bnnedge.cli import main
from bnnedge.dataflow import Dataflow, Meaning
from bnnedge.dataflow.meaning import read_classes
from bnnedge.emulator import Emulator
from bnnedge.errors import BnnEdgeError, DataError, DataflowError, LoweringError
from bnnedge.lowering.load import meaning_of
from bnnedge.reading import PicturesReading
from tests.data.recipes import lower_trained
from tests.data.test_pictures import GREY, RECIPE, grey, write
from tests.networks import random_mlp


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `pictures`, `train`, `export` and `dataflow`."""
    folder = tmp_path_factory.mktemp("light")
    write(folder / "pictures")
    lower_trained(folder, RECIPE, "light")
    return folder


def test_a_dataflow_knows_its_classes_and_how_files_are_read(built: Path) -> None:
    graph = Dataflow.load(built / "dataflow")
    assert graph.meaning == Meaning(class_names=("bright", "dark"), reading=GREY)
    record = json.loads((built / "dataflow/dataflow.json").read_text())
    assert record["version"] == 5


def test_files_get_the_names_of_their_classes(built: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "deep").mkdir(parents=True)
    grey(250).save(tmp_path / "new" / "=1+1.png")
    grey(3).save(tmp_path / "new" / "deep" / 'a,"b"\n.png')
    (tmp_path / "new" / "notes.txt").touch()
    out = tmp_path / "classes.csv"
    words = ["predict", built / "dataflow", "--inputs", tmp_path / "new", "-o", out]
    for _ in range(2):  # a table of classes takes the place of another
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
    assert out.read_text().splitlines() == [
        "input,class,name",
        "'=1+1.png,0,bright",
        '"deep/a,""b""\\n.png",1,dark',
    ]
    one = bnnedge.predict(built / "dataflow", tmp_path / "new" / "=1+1.png")
    assert one.names == ("bright",) and one.inputs == ("=1+1.png",)
    np.save(tmp_path / "x.npy", np.full((1, 1, 4, 5), 250, np.uint8))
    assert bnnedge.predict(built / "dataflow", tmp_path / "x.npy").names == ("bright",)
    for wrong in (0.5, 256, -1, np.nan):
        np.save(tmp_path / "x.npy", np.full((1, 1, 4, 5), wrong))
        with pytest.raises(DataError, match=r"x.npy: wanted whole numbers of 0…255, .*, got"):
            bnnedge.predict(built / "dataflow", tmp_path / "x.npy")


def test_python_wants_what_files_become_too(built: Path) -> None:
    graph = Dataflow.load(built / "dataflow")
    good = np.full((2, 1, 4, 5), 250, np.uint8)
    ways = (graph.run, graph.logits, graph.classify, graph.trace, Emulator(graph).predict)
    for run in ways:
        run(good)
        run(good.astype(np.float64))
        run(good[:0])
        for wrong in (good / 255, good - 300.0, good * np.nan):
            with pytest.raises(DataError, match="input: wanted whole numbers of 0…255, .*, got"):
                run(wrong)
    graph.input.encode(good / 255)  # who asks for it by itself


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: None, "wanted 1 or more files"),
        (lambda folder: (folder / "x.png").write_bytes(b"no"), "x.png is damaged or no picture"),
        (lambda folder: folder.rmdir(), "cannot read .*: No such file"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    built: Path, spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    spoil(tmp_path / "new")
    with pytest.raises(DataError, match=message):
        bnnedge.predict(built / "dataflow", tmp_path / "new", tmp_path / "classes.csv")
    assert not (tmp_path / "classes.csv").exists()


def test_other_tables_are_not_replaced(built: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text("a,b\n")
    with pytest.raises(BnnEdgeError, match="is not a table of classes"):
        bnnedge.predict(built / "dataflow", built / "pictures", tmp_path / "classes.csv")


def test_accuracy_on_own_files_and_arrays(built: Path, tmp_path: Path) -> None:
    found = bnnedge.evaluate(built / "dataflow", inputs=built / "pictures")
    assert (found.images, found.correct) == (30, 30)
    with np.load(built / "export/reference.npz") as reference:
        real = reference["labels"] >= 0
        np.save(tmp_path / "x.npy", reference["inputs"][real])
        np.save(tmp_path / "y.npy", reference["labels"][real])
    given = ["--inputs", tmp_path / "x.npy", "--labels", tmp_path / "y.npy"]
    words = ["evaluate", str(built / "dataflow"), *map(str, given)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'x.npy'}, emulator: 6 of 6 correct, 100.00%\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "wants either a data set .* or inputs"),
        ({"inputs": "x.npy", "dataset": "digits"}, "wants either a data set .* or inputs"),
        ({"labels": "y.npy", "dataset": "digits"}, "labels go with inputs, got a data set"),
        ({"inputs": "x.npy"}, "x.npy: holds no labels — give labels"),
        ({"inputs": "x.npy", "labels": "y.npy"}, "wanted 2 labels of 0…1, .*, got int64 \\(3,\\)"),
        (
            {"inputs": "x.npy", "labels": "z.npy"},
            "wanted 2 labels of 0…1, .*, got int64 \\(2,\\) from",
        ),
        ({"inputs": "folder"}, "'a/x.png': wanted one of the network's classes .*, got 'a'"),
    ],
)
def test_what_is_no_test_set_is_refused(
    built: Path, given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "folder" / "a").mkdir(parents=True)
    grey(1).save(tmp_path / "folder" / "a" / "x.png")
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 4, 5), np.uint8))
    np.save(tmp_path / "y.npy", np.zeros(3, int))
    np.save(tmp_path / "z.npy", np.array([0, 2]))
    paths = {
        key: tmp_path / value if "." in value or value == "folder" else value
        for key, value in given.items()
    }
    with pytest.raises(BnnEdgeError, match=message):
        bnnedge.evaluate(built / "dataflow", **paths)


def test_a_dataflow_without_a_reading_takes_arrays(tmp_path: Path) -> None:
    graph = random_mlp((20, 3))
    graph.save(tmp_path)
    assert "meaning" not in json.loads((tmp_path / "dataflow.json").read_text())
    with pytest.raises(DataError, match="does not say how files become its inputs — give an .npy"):
        bnnedge.predict(tmp_path, tmp_path / "x.png")
    np.save(tmp_path / "x.npy", np.zeros((2, *graph.input.input_shape), np.float32))
    assert set(bnnedge.predict(tmp_path, tmp_path / "x.npy").names) <= {"0", "1", "2"}


@pytest.mark.parametrize(
    ("meaning", "message"),
    [
        (Meaning(class_names=("a",)), "class_names: wanted 3 different ones, got 1"),
        (Meaning(class_names=("a", "a", "b")), "class_names: wanted 3 different ones"),
        (Meaning(class_names=("a", "\x1b[2J", "b")), "name of a class: wanted 1 to 255 printable"),
        (Meaning(reading=PicturesReading()), r"reading: gives inputs \(3, 32, 32\), the network"),
    ],
)
def test_a_meaning_fits_its_network(meaning: Meaning, message: str) -> None:
    with pytest.raises(DataflowError, match=message):
        dataclasses.replace(random_mlp((20, 3)), meaning=meaning).verify()


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("cat, dog", ("cat", "dog")),
        ("names.txt", ("cat", "dog, big")),
        ("none.txt", "classes: wanted names with commas between .*, got 'none.txt'"),
        ("cat.png", "cat.png is a PNG image, wanted a text file"),
    ],
)
def test_names_of_classes_are_a_list_or_a_file(
    given: str, names: tuple[str, ...] | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("cat\r\ndog, big\n\n", encoding="utf-8-sig")
    Path("cat.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    if isinstance(names, tuple):
        assert read_classes(given) == names
    else:
        with pytest.raises(DataError, match=names):
            read_classes(given)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"classes": []}',
        '{"reading": {"op": "x"}}',
        '{"class_names": [1]}',
    ],
)
def test_metadata_that_mean_nothing_are_refused(text: str) -> None:
    model = onnx.ModelProto()
    model.metadata_props.add(key="bnnedge.meaning", value=text)
    with pytest.raises(LoweringError, match="metadata bnnedge.meaning cannot be read") as caught:
        meaning_of(model)
    assert "\n" not in str(caught.value)
