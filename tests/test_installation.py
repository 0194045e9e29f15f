"""`bnnedge doctor`: what it says of tools, extras and the machine, and when it fails."""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bnnedge import installation, tools
from bnnedge.errors import ToolMissingError
from bnnedge.extras import Extra
from tests.test_cli import bnnedge


class _Usage(NamedTuple):
    total: int
    free: int


def _without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == missing:
            raise ToolMissingError(name)
        return "1.0"

    monkeypatch.setattr(tools, "version", version)


@pytest.mark.parametrize(
    ("missing", "code"), [("g++", 1), ("yosys", 1), ("vivado", 0), ("icepack", 0), ("gpu", 0)]
)
def test_it_fails_where_the_core_misses_a_tool(
    missing: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(missing, monkeypatch)
    said = bnnedge("doctor")
    assert said.exit_code == code and not said.stderr
    (line,) = (line for line in said.output.splitlines() if line.startswith(f"{missing} "))
    assert "missing: needed for" in line and tools.TOOLS[missing].remedy in line
    assert bnnedge("doctor", "--json").exit_code == code


def test_extras_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "is_there", lambda extra: extra is not Extra.TRAIN)
    said = bnnedge("doctor")
    assert "[report]        installed" in said.output and said.exit_code == 0
    assert "[train]         missing: needed for train, export" in said.output
    assert "pip install 'bnnedge[train]'" in said.output


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"GB free in {Path.cwd()}" in bnnedge("doctor").output
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(total=1 << 40, free=1 << 20))
    said = bnnedge("doctor")
    assert said.exit_code == 1 and "0.0 GB free" in said.output and "make room" in said.output


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    access = os.access

    def no_access(path: Any, mode: int) -> bool:
        return Path(path) != tmp_path and access(path, mode)

    assert bnnedge("doctor").exit_code == 0
    monkeypatch.setattr(os, "access", no_access)
    said = bnnedge("doctor")
    assert said.exit_code == 1 and f"{tmp_path}/caches/bnnedge cannot be written" in said.output
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(tools.platformdirs, "user_cache_path", lambda *_, **__: Path("relative"))
    assert "wanted an absolute path" in bnnedge("doctor").output


def test_rights_at_serial_ports_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_DEVICES", tmp_path)
    assert "serial ports    none\n" in bnnedge("doctor").output
    (tmp_path / "ttyUSB0").touch()
    assert f"serial ports    {tmp_path}/ttyUSB0\n" in bnnedge("doctor").output
    monkeypatch.setattr(os, "access", lambda path, mode: "tty" not in str(path))
    said = bnnedge("doctor")
    assert "ttyUSB0: not yours to open — sudo usermod -aG dialout" in said.output
    assert said.exit_code == 0
