"""The quick run has a test of every room."""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_NOT_ROOMS = {"faults", "fuzz", "oracles"}
_ROOMS = {path.parent for path in _TESTS.glob("*/test_*.py")}


@pytest.mark.parametrize(
    "room", sorted(path.name for path in _ROOMS if path.name not in _NOT_ROOMS)
)
def test_every_room_has_a_smoke_test(room: str) -> None:
    files = (_TESTS / room).rglob("test_*.py")
    assert any("pytest.mark.smoke" in path.read_text(encoding="utf-8") for path in files)
