"""What tests of packed networks share."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """build_scripts/pack_model.py, which is no part of the package."""
    path = Path(__file__).parents[2] / "build_scripts" / "pack_model.py"
    spec = importlib.util.spec_from_file_location("pack_model", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
