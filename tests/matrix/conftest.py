"""Where the squares compile; their assertions say what differs."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("tests.matrix.squares")

if TYPE_CHECKING:
    from tests.matrix.squares import Place


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> "Place":
    from tests.matrix.squares import Place

    return Place(folder=tmp_path, cache=cache)
