"""Of the grid that the SystemVerilog kernels share, the default run compiles a part."""

from collections import Counter
from pathlib import Path

import pytest

from tests.hardware.bench import KernelBench
from tests.hls.bench import HlsBench

_CASES = 2  # of each test


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compiling a case takes half a second: behind the first ones of a test, they are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        if item.path.parent.name == "hls" and item.path.name == "test_kernels.py":
            assert isinstance(item, pytest.Function)
            seen[item.originalname] += 1
            if seen[item.originalname] > _CASES:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def bench(cache: Path) -> KernelBench:
    return HlsBench(cache)
