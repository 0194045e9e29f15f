"""One cache of compiled models for the whole stage: what is compiled once is not compiled again."""

from pathlib import Path

import pytest

from bnnedge import tools


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "verilator"


@pytest.fixture
def default_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`cache` where the user's own cache would be."""
    monkeypatch.setattr(tools, "cache_dir", lambda: cache.parent)
    return cache
