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
    names = {name for name in dir(module) if name not in vars(module)}
    assert names == _typed(package)
    for name in names:
        value = getattr(module, name)
        assert value.__name__ == name and value.__module__.startswith(package)
    with pytest.raises(AttributeError, match="has no attribute 'BinaryConv3d'"):
        _ = module.BinaryConv3d


def test_the_verbs_are_listed() -> None:
    assert set(bnnedge.__all__) <= set(dir(bnnedge))
    assert {"export", "lower", "rtl", "synth", "build"} <= set(dir(bnnedge))
    with pytest.raises(AttributeError, match="module 'bnnedge' has no attribute 'train_all'"):
        _ = bnnedge.train_all
