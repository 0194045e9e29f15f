"""Options and fixtures of the whole test suite."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge import tools

# Networks of tests are small: threads that wait for each other take longer than one, most of all
# with a test process a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="rewrite the golden files")
    parser.addoption("--compiled", type=Path, help="keep compiled models in this folder")


_TOGETHER = ("test_build.py", "test_flow.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the tests of some files share takes long to make: they come first.

    Processes take work from the end of each other's, so that these are done in one of them.
    """
    items.sort(key=lambda item: item.path.name not in _TOGETHER)


@pytest.fixture(scope="session")
def run_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run, the same one for all its processes."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session", autouse=True)
def cache(run_folder: Path, pytestconfig: pytest.Config) -> Iterator[Path]:
    """One cache of compiled models for the run, in place of the user's."""
    kept = pytestconfig.getoption("--compiled")
    with pytest.MonkeyPatch.context() as patch:
        # The synthesis tools compile themselves for 100 s once and keep that in a cache of theirs.
        patch.setenv("YOWASP_CACHE_DIR", str(tools.yowasp_cache()))
        patch.setenv("XDG_CACHE_HOME", str(kept.absolute() if kept else run_folder / "cache"))
        yield tools.cache_dir() / "verilator"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The command line silences logs for good; here it ends, and other tests begin."""
    logging.disable(logging.NOTSET)
    yield
    logging.disable(logging.NOTSET)
