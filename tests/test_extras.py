"""The core works without any extra; what wants one says so in a line, before any work."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import BnnEdgeError, ExtraMissingError
from bnnedge.extras import Extra, is_there, missing_of, require
from tests.networks import random_inputs, random_mlp

_ROOT = Path(__file__).parents[1]
_MODULES = sorted({module for extra in Extra for module in extra.modules})
_WITHOUT = """
import importlib, importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Blocker())
"""
_STAGES = """
import numpy as np
import bnnedge
for room in ("simulation", "synthesis", "deployment", "sizing", "vitis_hls", "reports", "readback",
             "pipeline", "conversion", "recipe", "cli", "lowering", "exporter", "training"):
    importlib.import_module(f"bnnedge.{room}")
for verb in bnnedge.__all__:
    getattr(bnnedge, verb)
bnnedge.rtl("dataflow", "rtl", target_fps=1e6)
x = np.load("x.npy")
classes = bnnedge.Dataflow.load("dataflow").classify(x)
assert (bnnedge.predict("dataflow", "x.npy").classes == classes).all()
assert len(bnnedge.emulate("dataflow", x)) == len(x)
np.save("y.npy", classes)
assert bnnedge.evaluate("dataflow", inputs="x.npy", labels="y.npy").accuracy == 1
assert not BLOCKED & {name.partition(".")[0] for name in sys.modules}
"""
_REFUSED = {
    'bnnedge.train("digits", "o")': "train",
    'bnnedge.export("checkpoint", "o")': "train",
    'bnnedge.export_model("tfc", "mnist", "o")': "train",
    'bnnedge.evaluate_model("tfc", "mnist")': "train",
    'bnnedge.build("digits", "o")': "train,report",
    'bnnedge.lower("x.onnx", "o")': "lower",
    'bnnedge.convert("x.onnx", out="o")': "lower",
    'bnnedge.report("dataflow")': "report",
    'bnnedge.evaluate("dataflow", "digits")': "data",
    "from bnnedge.ops import BinaryLinear": "train",
    'bnnedge.models.tfc(pretrained="mnist")': "train",
    "import bnnedge.finn_backend": "finn",
}


def _without(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", _WITHOUT + code, ",".join(_MODULES)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = random_mlp((12, 8, 4))
    (tmp_path / "dataflow").mkdir()
    network.save(tmp_path / "dataflow")
    np.save(tmp_path / "x.npy", random_inputs(network, 20))
    return tmp_path


def test_the_core_imports_no_extra(folder: Path) -> None:
    done = _without(_STAGES, folder)
    assert done.returncode == 0, done.stderr


def test_what_wants_an_extra_says_so_in_one_line_before_any_work(folder: Path) -> None:
    lines = [
        "import bnnedge, bnnedge.models",
        *(
            f"try:\n  {code}\n  print('done')\nexcept bnnedge.errors.BnnEdgeError as e:\n  print(e)"
            for code in _REFUSED
        ),
    ]
    done = _without("import bnnedge.errors\n" + "\n".join(lines), folder)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(_REFUSED)
    for (code, extras), line in zip(_REFUSED.items(), said, strict=True):
        assert line.endswith(f"— pip install 'bnnedge[{extras}]'"), (code, line)
        assert f" wants the extra {extras}, of which " in line
    assert {path.name for path in folder.iterdir()} == {"dataflow", "x.npy"}


def test_the_command_line_says_it_too(folder: Path) -> None:
    code = "from bnnedge.cli import main\nmain(['train', 'digits', '-o', 'o'])"
    done = _without(code, folder)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("bnnedge: training wants the extra train")


def test_what_is_there_is_not_missed() -> None:
    assert all(map(is_there, Extra))
    require("this", *Extra)
    assert missing_of("this", ModuleNotFoundError("no", name="torch")) is None
    assert missing_of("this", ModuleNotFoundError("no", name="nowhere")) is None
    assert issubclass(ExtraMissingError, BnnEdgeError) and issubclass(
        ExtraMissingError, ImportError
    )


def _project() -> dict[str, dict[str, list[str]]]:
    text = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, dict[str, list[str]]] = tomllib.loads(text)["project"]
    return project


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


_DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "finn": "finn-plus"}


@pytest.mark.parametrize("extra", Extra)
def test_extras_are_those_of_the_package(extra: Extra) -> None:
    declared = _project()["optional-dependencies"]
    requirements = list(declared[extra.value])
    for included in re.findall(r"bnnedge\[(.*)\]", " ".join(requirements)):
        requirements += [each for name in included.split(",") for each in declared[name]]
    wanted = {_DISTRIBUTIONS.get(module, module) for module in extra.modules}
    assert _names(requirements) - {"bnnedge"} == wanted
    core = _names(_project()["dependencies"])  # type: ignore[arg-type]
    assert not wanted & core


def test_all_is_every_extra_but_those_of_developers() -> None:
    declared = _project()["optional-dependencies"]
    (every,) = declared["all"]
    assert set(every[len("bnnedge[") : -1].split(",")) == declared.keys() - {"all", "dev", "docs"}
