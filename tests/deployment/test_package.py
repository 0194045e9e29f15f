"""What is in a package, and that it needs nothing else."""

import ast
import dataclasses
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge import artifacts, verbs
from bnnedge.dataflow import Dataflow, IntegerEncoding, Meaning, ThresholdEncoding
from bnnedge.deployment import package
from bnnedge.deployment.package import RUNTIME_FOLDER
from bnnedge.deployment.runtime import Manifest, PackageError
from bnnedge.deployment.runtime.accelerator import Accelerator
from bnnedge.deployment.runtime.commands import write
from bnnedge.deployment.runtime.host import Host
from bnnedge.design import Design
from bnnedge.errors import DataError, DeploymentError, DesignError, SynthesisError
from tests.deployment.conftest import make_package, make_synthesis
from tests.networks import random_inputs, random_mlp


@pytest.fixture
def build(logits_package: Path, tmp_path: Path) -> Path:
    """A copy of the folders that a package is made of."""
    shutil.copytree(logits_package.parent / "rtl", tmp_path / "rtl")
    shutil.copytree(logits_package.parent / "synth", tmp_path / "synth")
    return tmp_path


def test_package_holds_what_its_readme_names(logits_package: Path) -> None:
    readme = (logits_package / "README.txt").read_text()
    assert "openFPGALoader -b ulx3s network.bit" in readme
    assert "Not run here: no board was connected" in readme
    assert "The line runs at 3125000 baud" in readme
    for name in ("network.bit", "bnnedge_runtime/validate.py", "bnnedge_runtime/__main__.py"):
        assert (logits_package / name).is_file()
    Design.load(logits_package / "rtl")
    assert (logits_package / "device" / "uart_device.sv").is_file()


def test_manifest_describes_design_and_device(logits_package: Path) -> None:
    record = json.loads((logits_package / "manifest.json").read_text())
    design = Design.load(logits_package / "rtl")
    assert record["network"] == "random"
    assert record["bitstream"] == "network.bit"
    assert record["device"] == {
        "id_word": f"{design.id_word:#010x}",
        "interface": "uart",
        "protocol_version": 1,
        "clock_hz": 25_000_000,
        "clocks_per_bit": 8,
        "baud": 3_125_000,
        "quiet_ms": 50.0,
        "window": 4,
        "interval_cycles": design.interval_cycles,
        "latency_cycles": sum(layer.cycles_per_image for layer in design.layers),
    }
    assert record["input"] == {
        "shape": [19],
        "encoding": "sign",
        "elements": 19,
        "element_bits": 1,
        "bytes": 4,
    }
    assert record["output"] == {
        "elements": 5,
        "element_bits": 8,
        "signed": True,
        "bytes": 8,
        "ranges": [[-12, 12]],
        "step": 2,
        "hardware_classes": False,
        "host_classes": False,
    }


def test_manifest_describes_integer_inputs(pixels_package: Path) -> None:
    record = json.loads((pixels_package / "manifest.json").read_text())
    assert record["input"] == {
        "shape": [2, 7, 6],
        "encoding": "uint8",
        "elements": 84,
        "element_bits": 8,
        "bytes": 84,
    }


def test_manifest_hashes_every_other_file(logits_package: Path) -> None:
    record = json.loads((logits_package / "manifest.json").read_text())
    files = {p for p in logits_package.rglob("*") if p.is_file()}
    files -= {logits_package / "manifest.json", logits_package / artifacts.RECORD}
    assert record["files"] == {
        path.relative_to(logits_package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_examples_are_the_given_inputs(build: Path) -> None:
    dataflow = Dataflow.load(build / "rtl" / "dataflow")
    inputs = random_inputs(dataflow, 40)
    made = package(build / "rtl", build / "synth", build / "out", inputs=inputs, example_images=30)
    assert (np.load(made.folder / "example" / "inputs.npy") == inputs[:30]).all()
    assert (np.load(made.folder / "example" / "expected.npy") == dataflow.run(inputs[:30])).all()
    assert made.facts.example_images == 30


def test_examples_without_inputs_differ_from_each_other(build: Path) -> None:
    made = package(build / "rtl", build / "synth", build / "out")
    expected = np.load(made.folder / "example" / "expected.npy")
    assert expected.shape == (64, 5)
    assert len(np.unique(expected, axis=0)) > 10


@pytest.mark.parametrize("kind", ["pixels_package", "sums_package"])
def test_examples_reach_both_ends_and_every_side_of_a_step(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    build = request.getfixturevalue(kind).parent
    dataflow = Dataflow.load(build / "rtl" / "dataflow")
    made = package(build / "rtl", build / "synth", tmp_path / "out")
    inputs = np.load(made.folder / "example" / "inputs.npy")
    encoded = dataflow.encode(inputs)
    assert isinstance(dataflow.input, IntegerEncoding)
    steps = dataflow.input.steps[np.isfinite(dataflow.input.steps)]
    assert inputs.dtype == np.float32 and np.isfinite(inputs).all()
    assert (encoded[0] == encoded.min(axis=(0, 1, 2))).all()
    assert (encoded[1] == encoded.max(axis=(0, 1, 2))).all()
    assert encoded.min() == dataflow.input.element.smallest
    assert encoded.max() == dataflow.input.element.largest
    assert 0.2 < np.isin(inputs, steps).mean() < 0.6
    below = np.nextafter(steps, -np.inf, dtype=np.float32)
    assert 0.2 < np.isin(inputs, below).mean() < 0.6
    assert (np.load(made.folder / "example" / "expected.npy") == dataflow.run(inputs)).all()
    one = package(build / "rtl", build / "synth", tmp_path / "one", example_images=1)
    assert (np.load(one.folder / "example" / "inputs.npy") == inputs[:1]).all()


def test_examples_of_thresholds_at_the_ends_of_float32_are_numbers(tmp_path: Path) -> None:
    dataflow = random_mlp((19, 12, 5), seed=3)
    assert isinstance(dataflow.input, ThresholdEncoding)
    largest = np.finfo(np.float32).max
    threshold = np.resize(np.array([-np.inf, -largest, largest, 1e-45], np.float32), 19)
    encoding = dataclasses.replace(dataflow.input, threshold=threshold)
    made = make_package(tmp_path, dataclasses.replace(dataflow, input=encoding))
    build = made.parent
    again = package(build / "rtl", build / "synth", tmp_path / "out")
    assert np.isfinite(np.load(again.folder / "example" / "inputs.npy")).all()


def test_same_package_is_not_made_again(build: Path) -> None:
    first = package(build / "rtl", build / "synth", build / "out")
    stamp = (first.folder / "manifest.json").stat().st_mtime_ns
    assert package(build / "rtl", build / "synth", build / "out").fingerprint == first.fingerprint
    assert (first.folder / "manifest.json").stat().st_mtime_ns == stamp
    inputs = random_inputs(Dataflow.load(build / "rtl" / "dataflow"), 3)
    again = package(build / "rtl", build / "synth", build / "out", inputs=inputs)
    assert again.fingerprint != first.fingerprint
    (build / "synth" / "network.bit").write_bytes(b"another")
    third = package(build / "rtl", build / "synth", build / "out", inputs=inputs)
    assert (third.folder / "network.bit").read_bytes() == b"another"


def test_synthesis_without_bitstream_is_refused(build: Path) -> None:
    (build / "synth" / "network.bit").unlink()
    with pytest.raises(DeploymentError, match=r"wanted one bitstream \(.*\*.bit\), got 0"):
        package(build / "rtl", build / "synth", build / "out")
    assert not (build / "out").exists()


def test_bitstream_of_another_design_is_refused(build: Path) -> None:
    shutil.rmtree(build / "synth")
    make_synthesis(build / "synth", 0x12345678)
    with pytest.raises(DeploymentError, match="is of another design: wanted id .*0x12345678"):
        package(build / "rtl", build / "synth", build / "out")


@pytest.mark.parametrize("text", [None, "{", "[]", '{"board": "x"}'])
def test_damaged_device_record_is_refused(build: Path, text: str | None) -> None:
    path = build / "synth" / "device.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(SynthesisError, match="device.json.*run bnnedge synth again"):
        package(build / "rtl", build / "synth", build / "out")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loader_board", "ulx3s; touch evil"),
        ("board", "$(touch evil)"),
        ("clock_hz", 0),
        ("clocks_per_bit", 0),
        ("baud", -1),
        ("quiet_ms", -1.0),
        ("window", 1 << 20),
        ("id_word", 1 << 32),
    ],
)
def test_impossible_device_is_refused(build: Path, field: str, value: object) -> None:
    path = build / "synth" / "device.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(SynthesisError, match=f"{field}: wanted"):
        package(build / "rtl", build / "synth", build / "out")


@pytest.mark.parametrize("field", ["sources", "memories"])
def test_nothing_is_written_outside(build: Path, field: str) -> None:
    path = build / "rtl" / "design.json"
    record = json.loads(path.read_text())
    (build / "evil").write_text("")
    (build / "rtl" / artifacts.RECORD).unlink()  # somebody else's
    path.write_text(json.dumps(record | {field: ["../evil", *record[field]]}))
    with pytest.raises(DesignError, match="wanted files inside of the folder, got '../evil'"):
        verbs.package(build, build / "out")
    assert not (build / "out").exists()


def test_no_link_is_followed_out_of_the_folders(build: Path) -> None:
    (build / "secret").write_text("secret")
    bitstream = build / "synth" / "network.bit"
    bitstream.unlink()
    bitstream.symlink_to(build / "secret")
    with pytest.raises(DeploymentError, match="network.bit: .* got a link out of it"):
        package(build / "rtl", build / "synth", build / "out")
    assert not (build / "out").exists()


@pytest.mark.parametrize("count", [0, -1])
def test_package_without_examples_is_refused(build: Path, count: int) -> None:
    with pytest.raises(DeploymentError, match="wanted at least one example"):
        package(build / "rtl", build / "synth", build / "out", example_images=count)


def test_incomplete_rtl_is_refused(build: Path) -> None:
    (build / "rtl" / "sv" / "bnnedge_core.sv").unlink()
    with pytest.raises(DesignError, match="bnnedge_core.sv is missing"):
        package(build / "rtl", build / "synth", build / "out")


def test_inputs_of_another_shape_are_refused(build: Path) -> None:
    with pytest.raises(DataError, match="wanted shape"):
        package(build / "rtl", build / "synth", build / "out", inputs=np.zeros((4, 18)))
    assert not (build / "out").exists()


@pytest.mark.parametrize("path", sorted(RUNTIME_FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_driver_is_python_3_8_with_numpy_and_its_board_only(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [str(node.module)]
        else:
            continue
        for module in modules:
            root = module.split(".")[0]
            assert root in {"numpy", "serial", "pynq"} or root in sys.stdlib_module_names
    if any(isinstance(node, ast.AnnAssign | ast.FunctionDef) for node in ast.walk(tree)):
        first = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert "__future__" in first  # `X | None` and `tuple[int, ...]` are not evaluated


class _Board(Accelerator):
    """One that computes as the Dataflow does."""

    def __init__(self, dataflow: Dataflow, folder: Path) -> None:
        super().__init__(Host.load(folder), "a board")
        self._dataflow = dataflow

    def close(self) -> None:
        pass

    def _elements(self, batch: Any) -> Any:
        return self._dataflow.results_of(self._dataflow.encode(batch))


def _require_names(dataflow: Dataflow, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The driver tells the names of the classes that PyTorch's logits would have."""
    x = np.random.default_rng(5).normal(size=(40, *dataflow.input.input_shape))
    wanted = [dataflow.meaning.class_names[c] for c in dataflow.classify(x)]
    board = _Board(dataflow, folder)
    assert board.names(board.execute(x)) == wanted and len(set(wanted)) > 1
    write(board, x, folder.parent / "y.npy")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"40 results written to {folder.parent / 'y.npy'}"
    assert sorted(lines[1:]) == sorted(f"{name}: {wanted.count(name)}" for name in set(wanted))


@pytest.mark.parametrize("classify", [False, True])
def test_a_driver_knows_classes_with_and_without_names(classify: bool, tmp_path: Path) -> None:
    dataflow = random_mlp((12, 8, 3), classes=classify)
    board = _Board(dataflow, make_package(tmp_path, dataflow))
    x = np.random.default_rng(5).normal(size=(20, *dataflow.input.input_shape))
    assert board.names(board.execute(x)) == [str(c) for c in dataflow.classify(x)]


def test_names_of_classes_go_with_the_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("cat", 'a "dog"', "\u00e9")
    dataflow = dataclasses.replace(random_mlp((12, 8, 3)), meaning=Meaning(class_names=names))
    folder = make_package(tmp_path, dataflow)
    assert Manifest.load(folder).class_names == names
    _require_names(dataflow, folder, capsys)
    path = folder / "manifest.json"
    record = json.loads(path.read_text())
    for wrong in ([1], [""], ["\n"], "cat", []):
        record["output"]["class_names"] = wrong
        path.write_text(json.dumps(record))
        with pytest.raises(PackageError, match=r"class_names"):
            Manifest.load(folder)
    del record["output"]["class_names"]
    path.write_text(json.dumps(record))
    assert Manifest.load(folder).class_names == ()
