"""SIGKILL at any time of a build: nothing goes on running, and the next run tidies up."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bnnedge import artifacts, tools
from tests.processes import is_of_torch
from tests.test_cli import RECIPE

_MARK = "BNNEDGE_KILLED_BUILD"
_KILLS = 60
_LONGEST_S = 25.0


def _alive(mark: str) -> list[str]:
    """Command lines of processes that were started, however indirectly, with this mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it has just ended
            continue
    return [line for line in found if line]  # a zombie has none


@pytest.mark.slow
def test_kills_over_a_build_leave_nothing_behind(tmp_path: Path) -> None:
    out, recipe, rng = tmp_path / "out", tmp_path / "recipe.toml", random.Random(1)
    temporary, cache = tmp_path / "tmp", tmp_path / "cache"
    temporary.mkdir()
    environment = {
        **os.environ,
        _MARK: str(tmp_path),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(cache),
        "YOWASP_CACHE_DIR": str(tools.yowasp_cache()),
    }
    argv = [sys.executable, "-m", "bnnedge", "build", str(recipe), "-o", str(out), "--replace"]
    for kill in range(_KILLS):
        text = RECIPE.replace("target_fps = 1000", f"target_fps = {1000 * (1 + kill % 3)}")
        recipe.write_text(text.replace("epochs = 1", f"epochs = {1 + kill // 20}"))
        with subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL) as child:
            try:
                child.wait(rng.uniform(0.5, _LONGEST_S))
            except subprocess.TimeoutExpired:
                child.kill()
        end = time.monotonic() + 5
        while _alive(str(tmp_path)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not _alive(str(tmp_path)), kill
        for record in out.glob(f"*/{artifacts.RECORD}"):
            assert artifacts.load(record.parent).changed() == (), kill
    subprocess.run(argv, env=environment, check=True)
    assert all(is_of_torch(path) for path in temporary.iterdir())
    assert not [*out.glob(".*"), *out.glob("*.partial-training")]
    assert not list(cache.glob("bnnedge/*/bnnedge-work-*"))
