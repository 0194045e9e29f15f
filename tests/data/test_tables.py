"""Tables as CSV: each column by its quantiles, whole and damaged, and through a training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnnedge
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_data, split_validation
from bnnedge.data.features import encode, fit_features
from bnnedge.data.inputs import read_inputs
from bnnedge.dataflow import Dataflow, Meaning
from bnnedge.errors import ConfigError, DataError
from bnnedge.reading import Feature, TableConfig, TableReading
from bnnedge.recipe import Recipe, Use
from bnnedge.records import to_json
from tests.data.recipes import lower_trained, require_refused

RECIPE = """\
name = "flowers"
[network]
topology = "mlp"
hidden = [16]
[data]
dataset = "csv"
file = "flowers.csv"
csv = { label = "kind", ignore = ["id"] }
encoding = "thermometer"
levels = 3
[training]
epochs = 20
batch_size = 8
learning_rate = 0.02
"""


def rows(count: int = 60) -> list[str]:
    random = np.random.default_rng(0)
    lines = ["id,length,width,kind"]
    for index in range(count):
        length = random.normal(1e6 * (index % 2), 1e5)
        lines.append(f"{index},{length:.3f},{random.normal(0, 1e-3)!r},{'ab'[index % 2]}")
    return lines


def write(path: Path, text: str | None = None) -> Path:
    path.write_bytes((text if text is not None else "\n".join(rows()) + "\n").encode())
    return path


def config(path: Path, **columns: Any) -> DataConfig:
    return DataConfig(
        dataset=DatasetName.CSV,
        file=path,
        csv=TableConfig(**({"label": "kind"} | columns)),
        encoding=EncodingKind.INTEGER,
    )


def test_columns_of_any_scale_become_ranks() -> None:
    values = np.stack([np.arange(1000) * 1e9, np.repeat([-1.0, 5.0], 500), np.ones(1000)], axis=1)
    features = fit_features(["a", "b", "c"], values)
    inputs = encode(features, values)
    assert inputs.dtype == np.uint8 and (np.diff(inputs[:, 0].astype(int)) >= 0).all()
    counts = np.bincount(inputs[:, 0], minlength=256)
    assert counts.min() >= 3 and counts.max() <= 4
    assert features[1].edges == (5.0,) and np.unique(inputs[:, 1]).tolist() == [0, 255]
    assert features[2].edges == () and not inputs[:, 2].any()
    beyond = encode(features, np.array([[-1e300, 4.999, 7], [1e300, 1e300, -7]]))
    assert beyond.tolist() == [[0, 0, 0], [255, 255, 0]]


def test_edges_are_of_the_training_data_alone(tmp_path: Path) -> None:
    data = load_data(config(write(tmp_path / "x.csv"), ignore=("id",)))
    assert data.classes == ("a", "b") and data.input_shape == (2,)
    assert (len(data.train), len(data.test)) == (48, 12)
    fitted, held_out = split_validation(data, 0.1, 0)
    assert (len(fitted), len(held_out)) == (44, 4)
    assert isinstance(data.reading, TableReading) and len(data.reading.features[0].edges) == 43


def test_rows_to_select_and_to_test_on_move_no_edge(tmp_path: Path) -> None:
    """A table whose other rows are far away has the same edges."""
    lines = ["x,kind", *(f"{index},{'ab'[index % 2]}" for index in range(60))]
    given = config(write(tmp_path / "x.csv", "\n".join(lines)))
    before = load_data(given).reading
    assert isinstance(before, TableReading)
    fitted = {float(edge) for edge in before.features[0].edges}
    moved = [
        line if float(line.split(",")[0]) in {0.0, *fitted} else f"9{line}" for line in lines[1:]
    ]
    after = load_data(config(write(tmp_path / "x.csv", "\n".join([lines[0], *moved])))).reading
    assert sum(line.startswith("9") for line in moved) >= 16 and after == before


def test_scales_are_part_of_the_data(tmp_path: Path) -> None:
    text = "x,kind\n" + "".join(f"{index},{'ab'[index % 2]}\n" for index in range(20))
    one = load_data(config(write(tmp_path / "x.csv", text)))
    larger = text.replace(",a", "0,a").replace(",b", "0,b")
    other = load_data(config(write(tmp_path / "y.csv", larger)))
    assert np.array_equal(one.train.images, other.train.images) and one.sha256() != other.sha256()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("\ufeffx,kind\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n", {}),
        ("x;kind\r\n1;a\r\n2;b\r\n\r\n3;a\r\n4;b\r\n5;a\r\n6;b", {}),
        ("x\tkind\n1\ta\n2\tb\n3\ta\n4\tb\n5\ta\n6\tb\n", {}),
        ('"x","kind"\n"1","a"\n 2 ,b\n3, a\n4,b\n5,a\n6,b\n', {}),
        ("1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n", {"header": False, "label": -1}),
        ("x|kind\n1|a\n2|b\n3|a\n4|b\n5|a\n6|b\n", {"delimiter": "|"}),
        (",x,kind\n0,1,a\n0,2,b\n0,3,a\n0,4,b\n0,5,a\n0,6,b\n", {"ignore": (0,)}),
        ('kind,x\n"a""\n",1\nb,2\na,3\nb,4\na,5\nb,6\n'.replace('""\n', ""), {}),
    ],
)
def test_tables_come_in_many_forms(text: str, columns: dict[str, Any], tmp_path: Path) -> None:
    data = load_data(config(write(tmp_path / "x.csv", text), **columns))
    assert data.classes == ("a", "b") and data.input_shape == (1,)
    assert len(data.train) + len(data.test) == 6


def test_words_become_an_input_each(tmp_path: Path) -> None:
    text = "x,colour,kind\n" + "".join(
        f"{index},{('red', 'blue', '7')[index % 3]},{'ab'[index % 2]}\n" for index in range(30)
    )
    data = load_data(config(write(tmp_path / "x.csv", text), categories=("colour",)))
    assert data.input_shape == (4,) and isinstance(data.reading, TableReading)
    words = [(feature.name, feature.word) for feature in data.reading.features]
    assert words == [("x", None), ("colour", "7"), ("colour", "blue"), ("colour", "red")]
    images = np.concatenate([data.train.images, data.test.images])
    assert set(np.unique(images[:, 1:])) == {0, 255} and (images[:, 1:].sum(1) == 255).all()
    meaning = Meaning(reading=data.reading)
    assert Meaning.of(json.loads(json.dumps(meaning.record())), source="x") == meaning
    given = read_inputs(write(tmp_path / "y.csv", "colour,x\nblue,4\nred,1e9\n"), meaning)
    assert given.values[:, 1:].tolist() == [[0, 255, 0], [0, 0, 255]]
    with pytest.raises(DataError, match="row 3, column 'colour': wanted one of '7', 'blue', 'red'"):
        read_inputs(write(tmp_path / "y.csv", "colour,x\nblue,4\nRed,1e9\n"), meaning)


def test_readings_of_numbers_are_recorded_as_ever() -> None:
    assert to_json(Feature(name="x", edges=(1.0,))) == {"name": "x", "edges": [1.0]}
    assert "categories" not in to_json(TableConfig(label="kind"))


def test_classes_that_are_numbers_are_in_their_order(tmp_path: Path) -> None:
    text = "x,kind\n" + "".join(f"{index},{index % 3 * 5}\n" for index in range(12))
    assert load_data(config(write(tmp_path / "x.csv", text))).classes == ("0", "5", "10")


GOOD = "x,y,kind\n1,2,a\n2,2,b\n3,2,a\n4,2,b\n5,2,a\n6,2,b\n"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("", {}, "wanted rows of a table, got none"),
    ("x,kind\n", {}, "wanted rows of a table, got none"),
    (GOOD.replace("3,", ",", 1), {}, "row 4, column 'x': wanted a number such as 1.5, got ''"),
    (GOOD.replace("3,", "NaN,", 1), {}, "row 4, column 'x': .* got 'NaN' — fill it in, or"),
    (GOOD.replace("3,", "-inf,", 1), {}, "row 4, column 'x': wanted a number .*, got '-inf'"),
    (GOOD.replace("3,", "1e999,", 1), {}, "row 4, column 'x': wanted a number .*, got '1e999'"),
    (GOOD.replace("3,", "1_0,", 1), {}, "row 4, column 'x': wanted a number .*, got '1_0'"),
    (GOOD.replace("3,", "red,", 1), {}, r"got 'red' — leave the column out \(ignore = \['x'\]\)"),
    (GOOD.replace("3,2,a", "3,2,"), {}, "row 4, column 'kind': wanted a value, got ''"),
    (GOOD.replace("3,2,a", "3,2"), {}, "row 4: wanted 3 values as in row 1, got 2"),
    (GOOD.replace("3,2,a", "3,2,a,9"), {}, "row 4: wanted 3 values as in row 1, got 4"),
    (GOOD.replace("3,2,a", '3,2,"a'), {}, "row 4 cannot be read: unexpected end of data"),
    (GOOD.replace("3,2,a", '3,2,"a"b'), {}, "row 4 cannot be read"),
    (GOOD.replace("3,2,a", '3,2,"a\nb"'), {}, "row 4, column 'kind': wanted 1 to 255 printable"),
    (GOOD.replace("kind", "kin"), {}, r"label: there is no column 'kind' \(did you mean kin\?\)"),
    (GOOD.replace("y", "x"), {}, "two columns are called 'x', 0 and 1 — rename one"),
    (GOOD.replace("y", ""), {}, r"column 1 has no name.* — give it a name, or ignore = \[1\]"),
    ('x,"a\nb",kind\n1,2,a\n', {}, "column 1: wanted 1 to 255 printable characters"),
    (GOOD.replace("b", "a"), {}, "wanted 2…1000 classes in column 'kind', got 1"),
    ("1,2\n3,4\n", {"label": 1}, "row 1 is to be a header, but it holds numbers — header = false"),
    (GOOD, {"label": 3}, "label: wanted 0…2, got 3"),
    (GOOD, {"ignore": ("x", "y")}, "wanted columns to learn from beside the label, got none"),
    (GOOD, {"ignore": ("z",)}, "ignore: there is no column 'z'"),
    (GOOD + "7,2,c\n", {}, "wanted at least 2 inputs of class 'c', .*, got 0 of 1, beside 1"),
    (GOOD.replace("3,", "red,", 1), {}, r"of its words \(categories = \['x'\]\)"),
    (GOOD.replace(",", ";").replace("3;", "3,5;", 1), {}, "got '3,5' — write it as 1234.5: a"),
    (GOOD.replace("3,", ",", 1), {"categories": ("x",)}, "row 4, column 'x': wanted a value, got"),
    (GOOD, {"categories": ("z",)}, "categories: there is no column 'z'"),
    (GOOD, {"categories": ("kind",)}, "categories: column 'kind' is the label, or left out"),
    (GOOD, {"categories": ("x",), "ignore": ("x",)}, "categories: column 'x' is the label, or"),
    ("a,1\nb,2\n", {"header": False, "label": 1}, r"got 'a' — leave .* \(ignore = \[0\]\), or"),
    (
        "x,kind\n" + "".join(f"w{i},{'ab'[i % 2]}\n" for i in range(1025)),
        {"categories": ("x",)},
        "wanted at most 1024 inputs, got 1025, an input for each word",
    ),
    (GOOD.replace(",", " "), {}, "label: there is no column 'kind'"),
    ("x,kind\n1\0,a\n2,b\n", {}, "row 2, column 'x': wanted a number"),
    (f"x,kind\n{'1' * 200_000},a\n", {}, "row 2 cannot be read: field larger than"),
]


@pytest.mark.parametrize(("text", "columns", "message"), WRONG)
def test_what_is_wrong_with_a_table_is_said(
    text: str, columns: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_data(config(write(tmp_path / "x.csv", text), **columns))
    assert "\n" not in str(caught.value)


def test_other_texts_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("x,kind\n1,a\n".encode("utf-16"))
    with pytest.raises(DataError, match="it is not text in UTF-8"):
        load_data(config(tmp_path / "x.csv"))
    with pytest.raises(DataError, match="cannot read .*: No such file"):
        load_data(config(tmp_path / "y.csv"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('file = "flowers.csv"\n', "", "csv wants file, the table"),
        ('csv = { label = "kind", ignore = ["id"] }\n', "", 'csv wants csv, csv = { label = "COL'),
        ('"kind", ', '"kind", header = false, ', "columns have no names without a header"),
        ('"kind", ', '"kind", delimiter = ", ", ', "delimiter wants one character, got ', '"),
        ('file = "flowers.csv"', 'folder = "x"', "csv takes no folder"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_said(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    write(tmp_path / "flowers.csv")
    require_refused(tmp_path, RECIPE.replace(old, new), message)


def test_a_table_is_read_before_any_work(tmp_path: Path) -> None:
    write(tmp_path / "flowers.csv", "\n".join(rows()).replace(",b", ",b,"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(ConfigError, match="data: .*flowers.csv: row 3: wanted 4 values as in"):
        Recipe.load(tmp_path / "recipe.toml", Use.TRAIN)


@pytest.mark.parametrize("edges", [(2.0, 1.0), (1.0, 1.0), tuple(map(float, range(256)))])
def test_edges_that_are_none_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="edges: wanted at most 255, each above the one before"):
        Feature(name="x", edges=edges)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `train`, `export` and `dataflow`, beside the table."""
    folder = tmp_path_factory.mktemp("flowers")
    write(folder / "flowers.csv")
    lower_trained(folder, RECIPE, "flowers")
    return folder


def test_new_rows_are_encoded_as_those_that_were_trained_on(built: Path) -> None:
    data = load_data(Recipe.load(built / "recipe.toml").data)
    graph = Dataflow.load(built / "dataflow")
    assert graph.meaning.reading == data.reading and graph.meaning.class_names == ("a", "b")
    given = bnnedge.predict(built / "dataflow", built / "flowers.csv")
    every = sorted(map(bytes, np.concatenate([data.train.images, data.test.images])))
    from bnnedge.data.inputs import read_inputs

    again = read_inputs(built / "flowers.csv", graph.meaning).values
    assert sorted(map(bytes, again)) == every
    assert given.inputs[:2] == ("row 2", "row 3") and given.names[:2] == ("a", "b")
    found = bnnedge.evaluate(built / "dataflow", inputs=built / "flowers.csv")
    assert (found.images, found.accuracy) == (60, 1.0)
    record = json.loads((built / "train/checkpoint.json").read_text())
    assert "file" not in record["config"]["data"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("width", "height"), "there is no column 'width'"),
        (lambda text: text.replace(",a\n", ",c\n"), "'row 2': wanted one of the network's classes"),
        (lambda text: text.replace(",kind", ",sort"), "holds no labels — give labels"),
    ],
)
def test_other_tables_are_refused(
    built: Path, change: Callable[[str], str], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "new.csv", change((built / "flowers.csv").read_text()))
    with pytest.raises(DataError, match=message):
        bnnedge.evaluate(built / "dataflow", inputs=tmp_path / "new.csv")
