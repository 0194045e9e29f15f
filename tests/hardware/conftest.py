"""The bench of the kernels' tests: here, their SystemVerilog."""

from pathlib import Path

import pytest

from tests.hardware.bench import KernelBench, RtlBench


@pytest.fixture(scope="session")
def bench(cache: Path) -> KernelBench:
    return RtlBench(cache)
