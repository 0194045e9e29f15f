import subprocess
import sys
from pathlib import Path

import pytest

from bnnedge.scratch import lock, scratch

_KILLED = """
import os, sys
from pathlib import Path
from bnnedge.scratch import scratch
with scratch(Path(sys.argv[1])) as work:
    (work / "deep").mkdir()
    os.kill(os.getpid(), 9)
"""


def test_a_scratch_folder_is_removed_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch(tmp_path) as work:
        (work / "file").touch()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / "mine").touch()
    with scratch(tmp_path) as one, scratch(tmp_path) as other:
        assert one.is_dir() and other.is_dir() and one != other
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "bnnedge-work-link").symlink_to(tmp_path / "precious")
    with scratch(tmp_path):
        pass
    assert (tmp_path / "precious").is_dir()


def test_a_lock_is_of_one_holder(tmp_path: Path) -> None:
    lock(tmp_path)
    with pytest.raises(BlockingIOError):
        lock(tmp_path)
