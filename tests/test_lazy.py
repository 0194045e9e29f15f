"""Public names are where one looks for them, and nothing heavy comes with the packages."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bnnedge

PACKAGES = ("bnnedge.ops", "bnnedge.data", "bnnedge.models")


def test_importing_bnnedge_imports_no_torch() -> None:
    code = (
        "import sys, bnnedge, bnnedge.ops, bnnedge.models, bnnedge.data; dir(bnnedge.ops);"
        "print({'torch', 'brevitas', 'onnx', 'finn', 'sklearn'} & set(sys.modules));"
        "from bnnedge.ops import BinaryConv2d; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["set()", "True"]


def _typed(package: str) -> set[str]:
    """Names that type checkers see."""
    source = Path(importlib.import_module(package).__file__ or "").read_text(encoding="utf-8")
    block = next(node for node in ast.parse(source).body if isinstance(node, ast.If))
    return {alias.name for node in block.body for alias in getattr(node, "names", ())}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    names = {name for name in dir(module) if not name.startswith("_")}
    own = {name for name in names if getattr(vars(module).get(name), "__module__", "") == package}
    imported = {"load_pretrained"} & names
    assert names - own - imported == _typed(package)
    for name in names:
        value = getattr(module, name)
        assert value.__name__ == name and value.__module__.startswith(package)
    with pytest.raises(AttributeError, match="has no attribute 'BinaryConv3d'"):
        _ = module.BinaryConv3d


@pytest.mark.parametrize("package", ("bnnedge", *PACKAGES))
def test_a_star_imports_what_is_listed(package: str) -> None:
    taken: dict[str, object] = {}
    exec(f"from {package} import *", taken)
    listed = {name for name in dir(importlib.import_module(package)) if not name.startswith("_")}
    packages = {"data", "models", "ops"} if package == "bnnedge" else set()
    assert taken.keys() - {"__builtins__"} == listed - packages
    assert not {"TYPE_CHECKING", "lazily"} & listed


def test_packages_come_with_their_parent() -> None:
    code = "import bnnedge; print(bnnedge.ops.Sign, bnnedge.data.Split, bnnedge.models.tfc)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_verbs_are_listed() -> None:
    assert set(bnnedge.__all__) <= set(dir(bnnedge))
    assert {"export", "lower", "rtl", "synth", "build"} <= set(dir(bnnedge))
    with pytest.raises(AttributeError, match="module 'bnnedge' has no attribute 'train_all'"):
        _ = bnnedge.train_all
