"""The wheel alone, in an environment of its own, with no extra. pip needs its index for this."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from bnnedge import tools
from tests.networks import random_inputs, random_mlp

_ROOT = Path(__file__).parents[1]
_MOST_MB = 400
_SIZE = """
from importlib.metadata import distributions
size = lambda file: file.locate().stat().st_size if file.locate().is_file() else 0
print(sum(size(f) for d in distributions() for f in d.files or [] if d.name not in OWN))
""".replace("OWN", "('pip', 'setuptools')")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an empty environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(
        _ROOT / "bnnedge", source / "bnnedge", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(_ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*pip, folder, source], check=True)
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv/bin"
    subprocess.run(
        [
            *(scripts / "python", "-m", "pip", "install", "--quiet"),
            *("--constraint", _ROOT / "build_scripts/constraints.txt", *folder.glob("*.whl")),
        ],
        check=True,
        env=_environment(),
    )
    return scripts


def _environment() -> dict[str, str]:
    """Ours, without what leads Python elsewhere."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**plain, "YOWASP_CACHE_DIR": str(tools.yowasp_cache())}


def _run(*command: object, cwd: Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.slow
def test_it_is_small(installed: Path, tmp_path: Path) -> None:
    megabytes = int(_run(installed / "python", "-c", _SIZE, cwd=tmp_path).stdout) / 1e6
    print(f"{megabytes:.1f} MB")
    assert megabytes <= _MOST_MB


@pytest.mark.slow
def test_it_goes_from_a_dataflow_to_a_package(installed: Path, tmp_path: Path) -> None:
    bnnedge = installed / "bnnedge"
    network = random_mlp((12, 8, 4))
    (tmp_path / "dataflow").mkdir()
    network.save(tmp_path / "dataflow")
    x = random_inputs(network, 20)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", network.classify(x))
    for command in (
        "rtl dataflow --target-fps 1e6 -o all/rtl",
        "simulate all/rtl --images 20",
        "synth all/rtl --board ulx3s-25f -o all/synth",
        "package all -o package",
        "deploy package --simulate",
        "hls all/rtl -o hls",
        "predict dataflow --inputs x.npy -o classes.csv",
        "emulate dataflow --inputs x.npy -o integers.npy",
        "recipes digits -o .",
        "boards",
        "doctor",
    ):
        _run(bnnedge, *command.split(), cwd=tmp_path)
    assert list((tmp_path / "package").glob("*.bit"))
    measured = _run(
        *(bnnedge, "evaluate", "dataflow", "--inputs", "x.npy", "--labels", "y.npy"), cwd=tmp_path
    )
    assert "20 of 20" in measured.stdout
    refused = _run(bnnedge, "train", "digits", "-o", "train", cwd=tmp_path, code=1)
    (line,) = refused.stderr.splitlines()
    assert line.endswith("pip install 'bnnedge[train]'")
