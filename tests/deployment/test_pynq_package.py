"""What a PYNQ user finds in a package, and whether it works from there."""

import base64
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bnnedge
from bnnedge.deployment import deploy, package
from bnnedge.deployment.package import RUNTIME_FOLDER
from bnnedge.deployment.pynq_files import NOTEBOOK
from bnnedge.deployment.runtime import Host, PackageError, examples, load
from bnnedge.deployment.simulated import open_simulated
from bnnedge.design import Design
from bnnedge.errors import DeploymentError
from bnnedge.links import AxiDevice
from tests.deployment.conftest import make_pynq_package
from tests.networks import random_mlp


def test_package_holds_what_a_pynq_user_expects(pynq_package: Path) -> None:
    files = {str(path.relative_to(pynq_package)) for path in pynq_package.rglob("*")}
    wheel = f"bnnedge_runtime-{bnnedge.__version__}-py3-none-any.whl"
    named = ["README.txt", "bitfile/random.bit", "bitfile/random.hwh", "driver/driver.py"]
    named += ["driver/validate.py", "manifest.json", "classify.ipynb", wheel, "dataflow", "example"]
    named += ["device/bnnedge_axi.v", "device/axi_registers.sv", "rtl/design.json"]
    assert set(named) <= files
    readme = (pynq_package / "README.txt").read_text()
    assert "random for pynq-z2" in readme and "Not run here" in readme
    for name in ("bitfile/random.bit", "driver/driver.py", "driver/validate.py", wheel, NOTEBOOK):
        assert name in readme
    record = json.loads((pynq_package / "manifest.json").read_text())
    design = Design.load(pynq_package / "rtl")
    assert record["bitstream"] == "bitfile/random.bit"
    assert record["device"] == {
        "interface": "axi",
        "id_word": f"{design.id_word:#010x}",
        "map_version": "0x424e4e01",
        "clock_hz": 100_000_000,
        "input_width_bits": 32,
        "output_width_bits": 32,
        "interval_cycles": design.interval_cycles,
        "latency_cycles": sum(layer.cycles_per_image for layer in design.layers),
    }


def test_package_without_a_bitstream_says_where_it_goes(tmp_path: Path) -> None:
    folder = make_pynq_package(tmp_path, random_mlp((70, 12, 5), seed=3), bitstream=False)
    assert "bitfile/random.bit, still missing" in (folder / "README.txt").read_text()
    assert "output/random.bit" in (folder / "bitfile" / "README.txt").read_text()
    with pytest.raises(PackageError, match="bitfile/random.bit is missing; Vivado makes it"):
        load(folder)
    assert deploy(folder).images == 24  # the simulation needs none
    for suffix in (".bit", ".hwh"):
        (folder / "bitfile" / f"random{suffix}").write_text("added later")
    assert deploy(folder).images == 24


def repacked(pynq_package: Path, change: Callable[[Path], None]) -> None:
    """Change the synthesis folder of a package and pack again."""
    build = pynq_package.parent
    change(build / "synth")
    package(build / "rtl", build / "synth", build / "again")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda synth: (synth / "vivado/output/network.hwh").unlink(), "network.hwh is missing"),
        (lambda synth: (synth / "other.bit").write_text("x"), "wanted one bitstream .*, got 2"),
        (
            lambda synth: AxiDevice(board="pynq-z1", clock_hz=1, id_word=7).save(synth),
            "is of another design: wanted id 0x.*, got 0x00000007",
        ),
        (lambda synth: (synth / "device.json").unlink(), "does not hold a bitstream"),
        (lambda synth: (synth / "device.json").write_text("{"), "does not hold a bitstream"),
    ],
)
def test_wrong_synthesis_is_refused(
    tmp_path: Path, change: Callable[[Path], None], text: str
) -> None:
    folder = make_pynq_package(tmp_path, random_mlp((19, 12, 5), seed=3))
    with pytest.raises(bnnedge.errors.BnnEdgeError, match=text):
        repacked(folder, change)
    assert not (tmp_path / "again").exists()


def test_changed_driver_is_refused(pynq_package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(pynq_package, tmp_path / "package"))
    source = copy / "bnnedge_runtime" / "axi.py"
    text = source.read_bytes() + b"# mine\n"
    source.write_bytes(text)
    record = json.loads((copy / "manifest.json").read_text())
    record["files"]["bnnedge_runtime/axi.py"] = hashlib.sha256(text).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(DeploymentError, match="its driver is not the one of this bnnedge"):
        deploy(copy)


BOARD = """\
import os
from pathlib import Path

from bnnedge.deployment.runtime import Manifest
from bnnedge.deployment.simulated import simulated_board

_package = Path(os.environ["PACKAGE"])
_, _board = simulated_board(_package, Manifest.load(_package))
Overlay, allocate, Clocks = _board.Overlay, _board.allocate, _board.Clocks
"""


@pytest.fixture
def on_board(pynq_package: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a script of the package in a process of its own, with a `pynq` that is simulated."""
    (tmp_path / "pynq.py").write_text(BOARD)
    root = Path(bnnedge.__file__).parents[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [tmp_path, root])),
        "PACKAGE": str(pynq_package),
    }

    def run(script: str, *arguments: object, pynq: bool = True) -> Any:
        return subprocess.run(
            [sys.executable, str(pynq_package / "driver" / script), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment if pynq else {**environment, "PYTHONPATH": ""},
            timeout=300,
        )

    return run


def test_scripts_of_the_package_run_on_the_simulated_board(
    pynq_package: Path, tmp_path: Path, on_board: Callable[..., Any]
) -> None:
    done = on_board("validate.py")
    assert (done.stdout, done.stderr) == ("24 of 24 example images equal\n", "")
    inputs = pynq_package / "example" / "inputs.npy"
    options = ["--inputfile", inputs, "--outputfile", "results", "--batchsize", 7]
    done = on_board("driver.py", "--exec_mode", "execute", *options)
    assert (done.stdout, done.stderr) == ("24 results written to results\n", "")
    assert (np.load(tmp_path / "results") == np.load(inputs.with_name("expected.npy"))).all()
    done = on_board("driver.py", "--exec_mode", "throughput_test", "--batchsize", 5)
    assert re.search(r"^throughput\[images/s\]: \d", done.stdout, re.MULTILINE)
    assert re.search(r"^batch_size: 5$", done.stdout, re.MULTILINE)


def test_scripts_say_in_a_line_what_is_wrong(
    pynq_package: Path, tmp_path: Path, on_board: Callable[..., Any]
) -> None:
    (tmp_path / "cut.npy").write_bytes((pynq_package / "example/inputs.npy").read_bytes()[:-1])
    np.save(tmp_path / "wide.npy", np.zeros((2, 71)))
    inputs = pynq_package / "example" / "inputs.npy"
    for arguments, text in (
        (["--inputfile", "no.npy"], "cannot read no.npy"),
        (["--inputfile", "cut.npy"], "cannot read cut.npy"),
        (["--inputfile", "wide.npy"], "wanted shape (N, 70), got (2, 71)"),
        (["--inputfile", inputs, "--batchsize", 0], "batch_size: wanted 1 or more, got 0"),
        (["--inputfile", inputs, "--outputfile", "no/out.npy"], "cannot write no/out.npy"),
        (["--inputfile", inputs, "--bitfile", "no.bit"], "no.bit is missing"),
    ):
        done = on_board("driver.py", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ") and text in done.stderr
        assert done.stderr.count("\n") == 1
    done = on_board("validate.py", pynq=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: pynq is not installed")


def test_notebook_is_valid_and_its_cells_run(
    pynq_package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((pynq_package / NOTEBOOK).read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    monkeypatch.chdir(pynq_package)
    with open_simulated(pynq_package, Host.load(pynq_package)) as (accelerator, _):
        fake = SimpleNamespace(load=lambda *_, **__: accelerator, examples=examples)
        monkeypatch.setitem(sys.modules, "bnnedge_runtime", fake)
        monkeypatch.setattr(sys, "path", [*sys.path])
        names: dict[str, Any] = {}
        for cell in cells:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [] and cell["execution_count"] is None
                exec("".join(cell["source"]), names)
    shown = capsys.readouterr().out
    assert "random on pynq-z2 at 100.0 MHz" in shown
    assert "True (24, 5)" in shown
    assert "batch_size: 1000" in shown


def test_notebook_follows_its_schema(pynq_package: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbformat.validate(json.loads((pynq_package / NOTEBOOK).read_text()))


def test_wheel_lists_its_files(pynq_package: Path) -> None:
    (path,) = pynq_package.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        rows = {name: digest for name, digest, _ in csv.reader(wheel.read(record).decode().split())}
        assert set(rows) == set(names)
        for name in set(names) - {record}:
            digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest())
            assert rows[name] == "sha256=" + digest.decode().rstrip("=")
        sources = {f"bnnedge_runtime/{path.name}" for path in RUNTIME_FOLDER.glob("*.py")}
        assert sources <= set(names)


def interpreters() -> list[Any]:
    """This Python, and Python 3.8 if there is one with numpy."""
    old = shutil.which("python3.8")
    found = old and subprocess.run([old, "-c", "import numpy"], capture_output=True).returncode == 0
    reason = "there is no python3.8 with numpy on PATH"
    return [sys.executable, pytest.param(old, marks=pytest.mark.skipif(not found, reason=reason))]


@pytest.mark.parametrize("python", interpreters(), ids=["this Python", "Python 3.8"])
def test_wheel_installs_beside_numpy_alone_and_loads_quickly(
    pynq_package: Path, tmp_path: Path, python: str
) -> None:
    (wheel,) = pynq_package.glob("*.whl")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    installed = tmp_path / "venv" / "bin" / "python"
    options = ["-q", "--no-deps", "--no-index", str(wheel)]
    pip = [str(installed), "-m", "pip", "install", *options]
    subprocess.run(pip, check=True, capture_output=True)
    where = subprocess.run(
        [python, "-c", "import numpy; print(numpy.__path__[0])"],
        check=True,
        capture_output=True,
        text=True,
    )
    only = tmp_path / "only"
    only.mkdir()
    for path in Path(where.stdout.strip()).parent.glob("numpy*"):
        (only / path.name).symlink_to(path)
    code = (
        "import sys, numpy, bnnedge_runtime;"
        "from bnnedge_runtime import driver, validate;"
        f"bnnedge_runtime.Host.load(__import__('pathlib').Path({str(pynq_package)!r}));"
        "print(bnnedge_runtime.__file__);"
        "print([n for n in sys.modules if n in ('torch', 'finn', 'pynq', 'serial', 'bnnedge')])"
    )
    run = subprocess.run(
        [installed, "-X", "importtime", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(only)},
    )
    location, others = run.stdout.splitlines()
    assert Path(location).is_relative_to(tmp_path / "venv")
    assert others == "[]"
    # Cumulative, in microseconds; numpy was imported before.
    times = re.findall(r"\|\s*(\d+) \| bnnedge_runtime$", run.stderr, re.MULTILINE)
    assert len(times) == 1 and int(times[0]) < 300_000
