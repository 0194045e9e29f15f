"""What is in a package, and that it needs nothing else."""

import ast
import dataclasses
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from bnnedge import artifacts
from bnnedge.dataflow import Dataflow
from bnnedge.deployment import package
from bnnedge.deployment.package import RUNTIME_FOLDER
from bnnedge.design import Design
from bnnedge.errors import DataError, DeploymentError, DesignError, SynthesisError
from tests.deployment.conftest import make_synthesis
from tests.networks import random_conv, random_inputs


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
        "protocol_version": 1,
        "clock_hz": 25_000_000,
        "clocks_per_bit": 8,
        "baud": 3_125_000,
        "quiet_ms": 50.0,
        "window": 4,
        "interval_cycles": design.interval_cycles,
        "latency_cycles": sum(layer.cycles_per_image for layer in design.layers),
    }
    assert record["input"] == {"shape": [19], "encoding": "sign", "bits": 19, "bytes": 4}
    assert record["output"] == {
        "elements": 5,
        "element_bits": 8,
        "signed": True,
        "bytes": 8,
        "hardware_classes": False,
        "host_classes": False,
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
    assert made.facts["example_images"] == 30


def test_examples_without_inputs_differ_from_each_other(build: Path) -> None:
    made = package(build / "rtl", build / "synth", build / "out")
    expected = np.load(made.folder / "example" / "expected.npy")
    assert expected.shape == (64, 5)
    assert len(np.unique(expected, axis=0)) > 10


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
    with pytest.raises(DeploymentError, match=r"wanted one bitstream \(\*.bit\), got 0"):
        package(build / "rtl", build / "synth", build / "out")
    assert not (build / "out").exists()


def test_bitstream_of_another_design_is_refused(build: Path) -> None:
    shutil.rmtree(build / "synth")
    make_synthesis(build / "synth", 0x12345678)
    with pytest.raises(DeploymentError, match="is of another design: wanted id .*0x12345678"):
        package(build / "rtl", build / "synth", build / "out")


@pytest.mark.parametrize("text", [None, "{", '{"board": "x"}'])
def test_damaged_device_record_is_refused(build: Path, text: str | None) -> None:
    path = build / "synth" / "device.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(SynthesisError, match="device.json.*run bnnedge synth again"):
        package(build / "rtl", build / "synth", build / "out")


@pytest.mark.parametrize("count", [0, -1])
def test_package_without_examples_is_refused(build: Path, count: int) -> None:
    with pytest.raises(DeploymentError, match="wanted at least one example"):
        package(build / "rtl", build / "synth", build / "out", example_images=count)


def test_a_network_beyond_the_driver_is_refused(build: Path, tmp_path: Path) -> None:
    for change, text in (
        (random_conv(), "wanted inputs of one bit, got UINT8"),
        (_with_step_1(Dataflow.load(build / "rtl" / "dataflow")), "lie 2 apart, got 1"),
    ):
        change.save(build / "rtl" / "dataflow")
        with pytest.raises(DeploymentError, match=text):
            package(build / "rtl", build / "synth", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def _with_step_1(dataflow: Dataflow) -> Dataflow:
    """The same network with a table that has a column for the sums between, too."""
    values = np.repeat(dataflow.output.values, 2, axis=1)[:, :-1]
    return dataclasses.replace(
        dataflow, output=dataclasses.replace(dataflow.output, values=values, step=1)
    )


def test_incomplete_rtl_is_refused(build: Path) -> None:
    (build / "rtl" / "sv" / "bnnedge_core.sv").unlink()
    with pytest.raises(DesignError, match="bnnedge_core.sv is missing"):
        package(build / "rtl", build / "synth", build / "out")


def test_inputs_of_another_shape_are_refused(build: Path) -> None:
    with pytest.raises(DataError, match="wanted shape"):
        package(build / "rtl", build / "synth", build / "out", inputs=np.zeros((4, 18)))
    assert not (build / "out").exists()


@pytest.mark.parametrize("path", sorted(RUNTIME_FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_driver_is_python_3_8_with_numpy_and_pyserial_only(path: Path) -> None:
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
            assert root in {"numpy", "serial"} or root in sys.stdlib_module_names
    if any(isinstance(node, ast.AnnAssign | ast.FunctionDef) for node in ast.walk(tree)):
        first = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert "__future__" in first  # `X | None` and `tuple[int, ...]` are not evaluated
