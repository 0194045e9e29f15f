"""A module or a file becomes a `Model`: what it answers, keeps and refuses."""

import copy
import csv
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import bnnedge
from bnnedge.cli import main
from bnnedge.dataflow import Dataflow
from bnnedge.errors import BnnEdgeError, BnnEdgeWarning, ConfigError, DataError, MismatchError
from bnnedge.exporter import own_module
from bnnedge.exporter.facts import EXPORT
from bnnedge.exporter.onnx_model import module_to_qonnx
from bnnedge.ops import AffineBatchNorm, BinaryLinear, Sign
from bnnedge.ops.frozen import frozen


def _network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(AffineBatchNorm(6), Sign(), BinaryLinear(6, 3))


Y = np.arange(40) % 3
X = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
T = (torch.from_numpy(X), torch.from_numpy(Y))


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    """What torch makes of the network."""
    return module_to_qonnx(frozen(_network()), (6,))


@pytest.fixture
def written(graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Calls of torch's exporter, which does not write the same graph over and over."""
    calls: list[object] = []
    monkeypatch.setattr(
        own_module, "module_to_qonnx", lambda *given: calls.append(1) or copy.deepcopy(graph)
    )
    return calls


@pytest.fixture
def file(graph: onnx.ModelProto, tmp_path: Path) -> Path:
    onnx.save(graph, tmp_path / "mine.onnx")
    return tmp_path / "mine.onnx"


def test_a_module_is_what_it_was_when_it_was_converted(
    written: list[object], tmp_path: Path
) -> None:
    network = _network()
    with torch.no_grad():
        wanted = network.eval()(torch.from_numpy(X)).argmax(1).numpy()
    model = bnnedge.convert(network.train(), X, tmp_path / "m", labels=wanted, name="mine")
    with torch.no_grad():
        network[2].weight.neg_()
    assert np.array_equal(model.predict(X), wanted)
    assert np.array_equal(model.predict(torch.from_numpy(X)), wanted)
    assert list(model.trace(X)) == ["input", *(node.name for node in model.dataflow.nodes)]
    assert {(check.left, check.right) for check in model.compare(X)} == {
        ("QONNX", "Dataflow"),
        ("PyTorch", "Dataflow"),
    }
    assert model.rtl().folder == model.folder / "rtl" and len(written) == 1
    assert repr(model) == f"<bnnedge.Model mine: export, lower, rtl in {tmp_path / 'm'}>"
    page = model.report().read_text()
    assert "Every check passed" in page and "100 % of 40 test images" in page
    again = bnnedge.convert(_network(), X, tmp_path / "m", labels=wanted, name="mine")
    assert again.rtl() == model.rtl()


def test_a_file_needs_no_examples(file: Path, tmp_path: Path) -> None:
    model = bnnedge.convert(file, out=tmp_path / "m")
    assert model.dataflow.name == "mine" and model.predict(X).shape == (40,)
    assert [check.left for check in model.compare(X)] == ["QONNX"]
    model.rtl()
    assert "QONNX" in model.report().read_text()
    with pytest.raises(ConfigError, match="a bitstream wants a board"):
        model.package()


def test_what_is_there_is_returned_and_what_was_made_of_others_goes(
    file: Path, tmp_path: Path
) -> None:
    model = bnnedge.convert(file, X, tmp_path / "m")
    assert model.summary().total.cycles == 18  # by default
    fast = model.rtl(target_fps=2e7)
    assert model.summary().total.cycles == fast.facts.interval_cycles < 18
    simulated = model.simulate(images=5, stalls=0.0)
    assert simulated.facts.images == 5
    again = bnnedge.convert(file, X, tmp_path / "m")
    assert again.simulate() == simulated and again.rtl() == fast
    assert "rtl, simulate" in repr(again)
    page = bnnedge.report(tmp_path / "m")
    assert page == tmp_path / "m" / "report.html" and "5 images" in page.read_text()
    assert again.rtl(target_fps=1e3).fingerprint != fast.fingerprint
    assert "simulate" not in repr(again)
    with pytest.warns(BnnEdgeWarning, match="simulate was not made of .*rtl, and is left out"):
        assert "5 images" not in bnnedge.report(tmp_path / "m").read_text()


def test_options_that_were_refused_are_forgotten(file: Path, tmp_path: Path) -> None:
    model = bnnedge.convert(file, X, tmp_path / "m")
    with pytest.raises(BnnEdgeError, match="target_fps: wanted a positive number"):
        model.rtl(target_fps=-1)
    with pytest.raises(BnnEdgeError, match="no-board"):
        model.synth(board="no-board")
    with pytest.raises(TypeError, match=r"synth: .*'bord' \(did you mean board\?\)"):
        model.synth(bord="ulx3s-85f")
    assert model.rtl().facts.interval_cycles == 18
    with pytest.raises(ConfigError, match="a bitstream wants a board"):
        model.package()


def test_a_report_finds_stages_by_what_they_left(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no stage has left anything there"):
        bnnedge.report(tmp_path)
    bnnedge.lower(file, tmp_path / "dataflow", name="named")
    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "hardware")
    assert "<h1>named" in bnnedge.report(tmp_path).read_text()


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("give", [lambda x, y: (x, y), TensorDataset])
def test_examples_come_with_labels_and_classes_with_names(
    give: Callable[[Tensor, Tensor], Any], tmp_path: Path
) -> None:
    x, y = torch.from_numpy(X), torch.arange(40) % 3
    model = bnnedge.convert(_network(), give(x, y), tmp_path / "m", classes=["red", "blue", "dun"])
    assert Dataflow.load(model.folder / "lower").meaning.class_names == ("red", "blue", "dun")
    right = (model.predict(give(x, y)) == y.numpy()).mean()
    assert EXPORT.load(model.folder / "export").facts.test_accuracy == pytest.approx(right)
    page = model.report().read_text()
    assert "red" in page and "dun" in page
    again = bnnedge.lower(model.folder / "export", tmp_path / "d", classes=("a", "b", "c"))
    assert Dataflow.load(again.folder).meaning.class_names == ("a", "b", "c")


def test_the_class_of_one_output_is_told_to_be_none(tmp_path: Path) -> None:
    network = nn.Sequential(AffineBatchNorm(6), Sign(), BinaryLinear(6, 1))
    with pytest.raises(DataError, match="labels: wanted 0 to 0, got 1 — give .*an output for each"):
        bnnedge.export(network, X, tmp_path / "e", labels=Y % 2)
    model = bnnedge.convert(network, X, tmp_path / "m")
    with pytest.warns(BnnEdgeWarning, match="largest of one output is always class 0; see data"):
        assert not model.predict(X).any()
    assert len(np.unique(model.dataflow.logits(X))) > 1


def test_classes_of_a_file_are_named(file: Path, tmp_path: Path) -> None:
    model = bnnedge.convert(file, X, tmp_path / "m", classes=np.array(["a", "b", "c"]))
    assert model.dataflow.meaning.class_names == ("a", "b", "c")
    with pytest.raises(BnnEdgeError, match="class_names: wanted 3 different ones, got 2"):
        bnnedge.convert(file, X, tmp_path / "n", classes=["a", "b"])


def test_classes_of_a_file_are_named_on_the_command_line(file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    dataflow, table = tmp_path / "d", tmp_path / "classes.csv"
    for words in (
        ["lower", file, "-o", dataflow, "--classes", "red,blue,dun"],
        ["predict", dataflow, "--inputs", tmp_path / "x.npy", "-o", table],
    ):
        result = CliRunner().invoke(main, list(map(str, words)))
        assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(table.open()))
    assert len({row["name"] for row in rows}) > 1
    assert all(row["name"] == ("red", "blue", "dun")[int(row["class"])] for row in rows)


def test_it_is_a_folder_and_no_pickle(file: Path, tmp_path: Path) -> None:
    model = bnnedge.convert(file, X, tmp_path / "m")
    for keep in (pickle.dumps, copy.deepcopy):
        with pytest.raises(ConfigError, match=r"it is the folder .*m — take its dataflow, or"):
            keep(model)
    assert np.array_equal(pickle.loads(pickle.dumps(model.dataflow)).run(X), model.dataflow.run(X))


def test_a_mismatch_is_told(file: Path, tmp_path: Path) -> None:
    model = bnnedge.convert(file, X, tmp_path / "m")
    model._answers = lambda x: np.zeros((len(x), 3), np.float32)
    with pytest.raises(MismatchError, match="PyTorch's logits"):
        model.compare(X)


def test_without_a_folder_it_says_which_it_takes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(BnnEdgeWarning, match="no out was given, so mine goes to") as said:
        model = bnnedge.convert(file)
    assert str(model.folder) in str(said[0].message)
    assert model.folder.parent == tmp_path and said[0].filename == __file__
    with pytest.warns(BnnEdgeWarning):
        assert bnnedge.convert(file).folder == model.folder


def test_a_folder_of_others_is_left_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    with pytest.raises(ConfigError, match="thesis is not the folder of a build: it holds chapter"):
        bnnedge.convert(file, X, tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda file, out: bnnedge.convert(_network(), out=out), "a module wants example_inputs"),
        (lambda file, out: bnnedge.convert(file, X, out, labels=[0] * 40), "labels go with"),
        (lambda file, out: bnnedge.convert(_network(), (X, X[:, 0]), out), "labels: wanted 40 cl"),
        (
            lambda file, out: bnnedge.convert(_network(), (X, Y), out, labels=Y),
            "labels: the examples have some already — give one",
        ),
        (
            lambda file, out: bnnedge.convert(_network(), DataLoader(TensorDataset(*T)), out),
            "a DataLoader gives batches, in any order — give its .dataset",
        ),
        (
            lambda file, out: bnnedge.convert(_network(), {"x": X}, out),
            "example_inputs: wanted numbers, got object",
        ),
        (
            lambda file, out: bnnedge.convert(_network(), X, out, classes="abc"),
            "classes: wanted a list of names, got 'abc'",
        ),
        (
            lambda file, out: bnnedge.convert(_network(), X, out, classes=["a", "a", "b"]),
            "class_names: wanted 3 different ones",
        ),
        (
            lambda file, out: bnnedge.convert(_network().double(), X, out),
            r"0.weight is float64: call .float\(\) on the module",
        ),
        (
            lambda file, out: bnnedge.convert(_network().bfloat16(), X, out),
            r"0.weight is bfloat16: call .float\(\) on the module",
        ),
        (
            lambda file, out: bnnedge.convert(_network().state_dict(), X, out),
            "got OrderedDict — give",
        ),
        (lambda file, out: bnnedge.convert(lambda x: x, X, out), "got function — give an instance"),
        (lambda file, out: bnnedge.convert(file.parent / "no", X, out), "no: no such file"),
        (lambda file, out: bnnedge.convert(3, X, out), "convert: model wants a path, got 3"),
        (lambda file, out: bnnedge.convert(nn.Linear, X, out), "got the class Linear"),
        (lambda file, out: bnnedge.convert(file, X, file), "mine.onnx is a file, wanted a folder"),
        (
            lambda file, out: bnnedge.convert(file, X, out).rtl(target_fps="fast"),
            "rtl: target_fps wants a number, got 'fast'",
        ),
        (
            lambda file, out: bnnedge.convert(file, X, out).synth(board="no-board"),
            "no-board",
        ),
    ],
)
def test_mistakes_are_one_line(
    call: Callable[[Path, Path], object], message: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(BnnEdgeError, match=message) as caught:
        call(file, tmp_path / "m")
    assert "\n" not in str(caught.value)
