import contextlib
import dataclasses
import hashlib
import io
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.dataflow import ArgMax, Dataflow, IntegerMvu, MultiThreshold, ScoreTable
from bnnedge.dataflow.graph import GRAPH_FILE, WEIGHTS_FILE
from bnnedge.errors import DataflowError
from tests.networks import random_conv, random_inputs, random_mlp, with_class_scales
from tests.networks.chains import random_chain
from tests.networks.emulated import inputs_of


def test_run_equals_signed_matrix_products() -> None:
    dataflow = random_mlp((23, 17, 9, 5), seed=3)
    x = random_inputs(dataflow, 200)
    values = x.astype(np.int64)
    for mvu in dataflow.mvus:
        dots = values @ (2 * mvu.weights.astype(np.int64) - 1).T
        if mvu.thresholds is None or mvu.invert is None:
            values = dots
        else:
            fires = ((dots + mvu.mw) // 2 >= mvu.thresholds) ^ mvu.invert
            values = np.where(fires, 1, -1)
    assert np.array_equal(dataflow.run(x), values)


def test_classes_and_logits_agree() -> None:
    dataflow = random_mlp((12, 8, 4), classes=True)
    x = random_inputs(dataflow, 100)
    assert dataflow.run(x).shape == (100,)
    assert np.array_equal(dataflow.run(x), dataflow.logits(x).argmax(1))
    assert np.array_equal(dataflow.run(x), dataflow.trace(x)["argmax"][:, 0])


@pytest.mark.parametrize("seed", [1, 2, 4, 5])
def test_scores_find_the_class_of_the_floats(seed: int, tmp_path: Path) -> None:
    dataflow = with_class_scales(random_mlp((12, 9, 5), seed=seed), seed=seed)
    dataflow.save(tmp_path)
    dataflow = Dataflow.load(tmp_path)
    x = random_inputs(dataflow, 300, seed=seed)
    trace, encoded = dataflow.trace(x), dataflow.encode(x)
    accumulators = dataflow.accumulators(x)
    assert np.array_equal(accumulators, trace["mvu1"])
    wanted = dataflow.output.logits(accumulators).argmax(axis=1)
    assert len(np.unique(wanted)) > 2
    assert np.array_equal(dataflow.results_of(encoded), wanted[:, None])
    assert np.array_equal(trace["argmax"], wanted[:, None])
    assert np.array_equal(dataflow.run(x), wanted)
    assert np.array_equal(dataflow.logits(x).argmax(axis=1), wanted)


def test_results_are_accumulators_where_the_host_finds_the_class() -> None:
    dataflow = random_mlp((12, 8, 4))
    x = random_inputs(dataflow, 20)
    assert np.array_equal(dataflow.results_of(dataflow.encode(x)), dataflow.accumulators(x))


def test_batches_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    dataflow = random_mlp((12, 8, 4))
    x = random_inputs(dataflow, 50)
    whole = dataflow.run(x)
    monkeypatch.setattr("bnnedge.dataflow.graph._BATCH_ELEMENTS", 7 * 12)
    assert np.array_equal(dataflow.run(x), whole)
    assert dataflow.run(x[:0]).shape == (0, 4)


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    dataflow = random_mlp((23, 17, 9, 5), classes=True)
    dataflow.save(tmp_path)
    loaded = Dataflow.load(tmp_path)
    x = random_inputs(dataflow, 64)
    assert np.array_equal(loaded.logits(x), dataflow.logits(x))
    assert loaded.streams() == dataflow.streams()
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    for name in (GRAPH_FILE, WEIGHTS_FILE):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


def test_every_kind_of_node_is_saved(tmp_path: Path) -> None:
    dataflow = random_conv()
    dataflow.save(tmp_path)
    loaded = Dataflow.load(tmp_path)
    x = np.random.default_rng(0).integers(0, 256, (20, 2, 7, 6))
    assert np.array_equal(loaded.run(x), dataflow.run(x))
    assert len(np.unique(dataflow.run(x), axis=0)) > 1
    assert loaded.streams() == dataflow.streams()
    for name, values in dataflow.trace(x).items():
        assert np.array_equal(loaded.trace(x)[name], values)


def test_batches_of_feature_maps_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    dataflow = random_conv()
    x = np.random.default_rng(0).integers(0, 256, (20, 2, 7, 6))
    whole = dataflow.run(x)
    monkeypatch.setattr("bnnedge.dataflow.graph._BATCH_ELEMENTS", 1)
    assert np.array_equal(dataflow.run(x), whole)


def test_an_output_table_must_hold_every_accumulator() -> None:
    dataflow = random_conv()
    short = dataclasses.replace(dataflow.output, values=dataflow.output.values[:, 1:])
    with pytest.raises(DataflowError, match="wanted 21 columns from -20 on, got 20"):
        dataclasses.replace(dataflow, output=short).verify()
    pooled = dataclasses.replace(dataflow.output, low=-18)
    with pytest.raises(DataflowError, match="from -18 on"):
        dataclasses.replace(dataflow, output=pooled).verify()


def change_graph(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        graph = json.loads((folder / GRAPH_FILE).read_text())
        (folder / GRAPH_FILE).write_text(json.dumps(graph | changes))

    return change


def truncate(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def weights_are(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / WEIGHTS_FILE).unlink()
        make(folder / WEIGHTS_FILE)

    return change


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (weights_are(lambda path: path.symlink_to("/dev/zero")), "wanted a file, got a device"),
        (weights_are(os.mkfifo), "wanted a file, got a device or a pipe"),
        (weights_are(sparse), "is larger than 512 MiB"),
        (truncate(GRAPH_FILE), "not a readable Dataflow"),
        (truncate(WEIGHTS_FILE), "truncated or was altered"),
        (lambda folder: (folder / GRAPH_FILE).unlink(), "it has no dataflow.json"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "does not hold a whole Dataflow"),
        (change_graph(version=99), "format version 99, this bnnedge reads 2 to 7"),
        (change_graph(version=1), "format version 1, this bnnedge reads 2 to 7"),
        (change_graph(format="other"), "got 'other'"),
        (change_graph(nodes=[{"op": "Conv", "name": "c"}]), "does not hold a whole Dataflow"),
        (change_graph(nodes=[]), "array 'mvu0.weights' belongs to no node"),
        (change_graph(nodes=5), "does not hold a whole Dataflow"),
    ],
)
def test_damaged_folders_are_refused(
    tmp_path: Path, damage: Callable[[Path], None], text: str
) -> None:
    random_mlp((12, 8, 4)).save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataflowError, match=text):
        Dataflow.load(tmp_path)


def test_argmax_in_hardware_needs_the_order_of_the_floats() -> None:
    dataflow = random_mlp((12, 8, 4), classes=True)
    falling = dataclasses.replace(
        dataflow,
        output=dataclasses.replace(dataflow.output, values=dataflow.output.values[:, ::-1]),
    )
    with pytest.raises(DataflowError, match="do not order the classes"):
        falling.verify()


def test_scores_must_be_those_of_the_floats() -> None:
    dataflow = with_class_scales(random_mlp((12, 8, 4)))
    scores = dataflow.nodes[-2]
    assert isinstance(scores, ScoreTable)
    dataflow.verify()

    def refused(table: ScoreTable, text: str = "scores do not order the classes") -> None:
        nodes = (*dataflow.nodes[:-2], table, dataflow.nodes[-1])
        with pytest.raises(DataflowError, match=text):
            dataclasses.replace(dataflow, nodes=nodes).verify()

    wrong = scores.scores.copy()
    wrong[1, 3] += 1
    refused(dataclasses.replace(scores, scores=wrong))
    refused(dataclasses.replace(scores, scores=scores.scores[:, 1:]))
    refused(dataclasses.replace(scores, low=-7))
    refused(dataclasses.replace(scores, step=1))
    refused(dataclasses.replace(scores, scores=scores.scores[1:]), "do not fit")
    logits = dataclasses.replace(dataflow.output, classes=False)
    with pytest.raises(DataflowError, match="do not order the classes"):
        dataclasses.replace(dataflow, output=logits).verify()
    with pytest.raises(DataflowError, match="scores: may not follow mvu1"):
        dataclasses.replace(dataflow, nodes=dataflow.nodes[:-1]).verify()
    plain = (*dataflow.mvus, dataflow.nodes[-1])
    with pytest.raises(DataflowError, match="argmax: accumulators do not order the classes"):
        dataclasses.replace(dataflow, nodes=plain).verify()


def test_scores_and_arg_max_are_at_the_end() -> None:
    dataflow = random_conv()
    pool = next(i for i, node in enumerate(dataflow.nodes) if node.name == "pool2")
    table = ScoreTable(name="scores", scores=np.zeros((20, 37)), low=-36, step=2)
    before = (*dataflow.nodes[: pool + 1], dataclasses.replace(dataflow.nodes[-2], name="flat"))
    sums = IntegerMvu(name="mvu3", weights=np.ones((4, 20), np.uint8))
    with pytest.raises(DataflowError, match="scores: must be at the end"):
        dataclasses.replace(dataflow, nodes=(*before, table, sums)).verify()


@pytest.mark.parametrize("hardware", [True, False])
def test_top_k_is_saved_and_is_the_float_outputs_own(tmp_path: Path, hardware: bool) -> None:
    dataflow = with_class_scales(random_mlp((12, 8, 6)), k=4)
    if not hardware:
        dataflow = dataclasses.replace(dataflow, nodes=dataflow.nodes[:-2])
    dataflow.save(tmp_path)
    assert json.loads((tmp_path / "dataflow.json").read_text())["version"] == 4
    loaded = Dataflow.load(tmp_path)
    x = random_inputs(dataflow, 200)
    for image, logits in zip(loaded.run(x).tolist(), loaded.logits(x), strict=True):
        assert image == sorted(range(6), key=lambda c: -logits[c])[:4]
    assert np.array_equal(loaded.classify(x), loaded.run(x)[:, 0])
    if hardware:
        assert np.array_equal(loaded.results_of(loaded.encode(x)), loaded.run(x))


def test_a_record_of_one_class_says_nothing_of_k(tmp_path: Path) -> None:
    random_mlp((12, 8, 4), classes=True).save(tmp_path)
    record = json.loads((tmp_path / "dataflow.json").read_text())
    assert record["version"] == 3
    assert record["nodes"][-1] == {"op": "ArgMax", "name": "argmax"}
    assert set(record["output"]) == {"op", "classes", "low", "step"}


@pytest.mark.parametrize(
    ("k", "output", "text"),
    [
        (3, 2, "argmax: wanted k = 2 of the output, got 3"),
        (5, 5, "argmax: wanted k from 1 to 4 classes, got 5"),
        (1, 5, "output: wanted k from 1 to 4 classes, got 5"),
    ],
)
def test_k_must_fit(k: int, output: int, text: str) -> None:
    dataflow = random_mlp((12, 8, 4), classes=True)
    wrong = dataclasses.replace(
        dataflow,
        nodes=(*dataflow.mvus, ArgMax(name="argmax", k=k)),
        output=dataclasses.replace(dataflow.output, k=output),
    )
    with pytest.raises(DataflowError, match=text):
        wrong.verify()


def test_logits_have_no_k() -> None:
    dataflow = random_mlp((12, 8, 4))
    wrong = dataclasses.replace(dataflow, output=dataclasses.replace(dataflow.output, k=2))
    with pytest.raises(DataflowError, match="output: wanted k from 1 to 1 classes, got 2"):
        wrong.verify()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_magnitudes_come_with_a_version_of_their_own(seed: int, tmp_path: Path) -> None:
    dataflow = random_chain(seed, magnitudes=8)
    assert any(mvu.magnitudes is not None for mvu in dataflow.mvus)
    dataflow.save(tmp_path)
    record = json.loads((tmp_path / GRAPH_FILE).read_text())
    assert record["version"] == 7
    loaded = Dataflow.load(tmp_path)
    for own, mvu in zip(loaded.mvus, dataflow.mvus, strict=True):
        assert (own.magnitudes is None) == (mvu.magnitudes is None)
        assert np.array_equal(own.values, mvu.values)
    x = inputs_of(dataflow, 20)
    assert np.array_equal(loaded.run(x), dataflow.run(x))


def test_folders_of_the_version_before_are_read(tmp_path: Path) -> None:
    dataflow = random_mlp((12, 8, 4))
    dataflow.save(tmp_path)
    change_graph(version=2)(tmp_path)
    x = random_inputs(dataflow, 20)
    assert np.array_equal(Dataflow.load(tmp_path).run(x), dataflow.run(x))


@pytest.mark.parametrize("order", [(0, 0, 1), (1, 0), (2, 0, 1), (0,)])
def test_only_whole_chains_are_accepted(order: tuple[int, ...]) -> None:
    dataflow = random_mlp((8, 8, 4), classes=True)
    nodes = (*dataflow.mvus, ArgMax(name="argmax"))
    with pytest.raises(DataflowError):
        dataclasses.replace(dataflow, nodes=tuple(nodes[i] for i in order)).verify()


def rewrite(folder: Path, arrays: dict[str, bytes]) -> None:
    """Replace members of weights.npz, and the sha256 in dataflow.json, as an attacker does."""
    path = folder / WEIGHTS_FILE
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (members | arrays).items():
            archive.writestr(name, content)
    record = json.loads((folder / GRAPH_FILE).read_text())
    record["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / GRAPH_FILE).write_text(json.dumps(record))


def npy(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"mvu0.weights.npy": npy(np.zeros((8, 2)))}, "wanted uint8, got float64"),
        ({"mvu0.weights.npy": npy(np.zeros((8, 200), np.uint8))}, "wanted rows of mw = 12 bits"),
        ({"mvu0.weights.npy": npy(np.zeros(16, np.uint8))}, "wanted rows of mw = 12 bits"),
        ({"mvu0.weights.npy": npy(np.zeros((1 << 25, 2), np.uint8))}, "at most 256 MiB"),
        ({"mvu0.magnitudes.npy": npy(np.ones((8, 12)))}, "wanted uint8, got float64"),
        ({"mvu0.magnitudes.npy": npy(np.ones((8, 2), np.uint8))}, "a magnitude for each weight"),
        ({"mvu0.magnitudes.npy": npy(np.ones((1 << 25, 12), np.uint8))}, "at most 256 MiB"),
        ({"mvu0.tables.npy": npy(np.zeros(3))}, "'mvu0.tables' belongs to no node"),
    ],
)
def test_arrays_that_do_not_fit_the_record_are_not_unpacked(
    tmp_path: Path, arrays: dict[str, bytes], text: str
) -> None:
    random_mlp((12, 8, 4)).save(tmp_path)
    rewrite(tmp_path, arrays)
    tracemalloc.start()
    try:
        with pytest.raises(DataflowError, match=text):
            Dataflow.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()


FOREIGN_VALUES = (None, True, -1, 1 << 62, 1 << 64, 0.5, 1e308, "", "x", [], [3], {}, {"a": []})


@pytest.mark.parametrize("value", FOREIGN_VALUES, ids=repr)
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_any_value_of_another_kind_is_refused(tmp_path: Path, network: str, value: Any) -> None:
    dataflow = random_mlp((12, 8, 4), classes=True) if network == "mlp" else random_conv()
    dataflow.save(tmp_path)
    path = tmp_path / GRAPH_FILE
    whole = path.read_text()
    for holder, key in places(json.loads(whole)):
        record = json.loads(whole)
        at = record
        for step in holder:
            at = at[step]
        if at[key] == value:
            continue
        at[key] = value
        path.write_text(json.dumps(record))
        with contextlib.suppress(DataflowError):
            assert_equal_but_for_names(Dataflow.load(tmp_path), dataflow, (*holder, key))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield at, key
        if isinstance(value[key], dict | list):
            yield from places(value[key], (*at, key))


def assert_equal_but_for_names(
    loaded: Dataflow, dataflow: Dataflow, place: tuple[Any, ...]
) -> None:
    """What is accepted is well-formed: it runs, and only what was changed is another."""
    x = np.zeros((2, *loaded.input.input_shape), np.float32)
    loaded.run(x)
    assert loaded.streams().keys() >= {"input"}
    if place[-1] == "name":
        assert np.array_equal(loaded.run(x), dataflow.run(x))


def test_a_table_of_all_values_is_not_made_for_wide_integers() -> None:
    rng = np.random.default_rng(0)
    node = MultiThreshold(
        name="codes",
        thresholds=np.sort(rng.integers(-(2**31), 2**31, (3, 7)), axis=1),
        invert=np.array([True, False, True]),
        low=-4,
    )
    values = rng.integers(-(2**40), 2**40, (50, 2, 3))
    values[0] = node.thresholds[:, 3]
    reached = (values[..., None] >= node.thresholds).sum(axis=-1)
    assert np.array_equal(node.run(values), -4 + np.where(node.invert, 7 - reached, reached))
