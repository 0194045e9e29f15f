"""Options and fixtures of the whole test suite."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge import tools


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache of compiled models for the session, in place of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        # The synthesis tools compile themselves for 100 s once and keep that in a cache of theirs.
        patch.setenv("YOWASP_CACHE_DIR", str(tools.yowasp_cache()))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield tools.cache_dir() / "verilator"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The command line silences logs for good; here it ends, and other tests begin."""
    logging.disable(logging.NOTSET)
    yield
    logging.disable(logging.NOTSET)
