"""The tutorial's code, block after block."""

import re
from pathlib import Path
from typing import Any

import pytest

from bnnedge.finn_backend import use_build_folder

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "finn.md"


def test_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finn_build_folder: Path
) -> None:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(fences) >= 7 and {language for language, _ in fences} == {"python"}
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    try:
        for number, (_, block) in enumerate(fences):
            exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    finally:
        use_build_folder(finn_build_folder)
