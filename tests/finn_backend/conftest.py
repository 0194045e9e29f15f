"""FINN writes below a folder of the session, and simulates in Verilator."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from bnnedge.finn_backend import use_build_folder


@pytest.fixture(scope="session", autouse=True)
def finn_build_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """FINN's settings and environment variables, for the session."""
    folder = tmp_path_factory.mktemp("finn")
    with mock.patch.dict(os.environ):
        use_build_folder(folder)
        yield folder
