"""The quick run has a test of every room."""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_PACKAGES = {path.name for path in (_TESTS.parent / "bnnedge").iterdir() if path.is_dir()}
_ROOMS = sorted(
    {path.parent.name for path in _TESTS.glob("*/test_*.py")} & {*_PACKAGES, "end_to_end", "hls"}
)


@pytest.mark.parametrize("room", _ROOMS)
def test_every_room_has_a_smoke_test(room: str) -> None:
    files = (_TESTS / room).rglob("test_*.py")
    assert any("pytest.mark.smoke" in path.read_text(encoding="utf-8") for path in files)
