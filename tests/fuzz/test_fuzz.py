"""Damaged files of every kind are taken or refused in one line, within 1 GiB and 30 s."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.server import Server

_ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> None:
    """`python -m tests.fuzz`, in a process of its own: children inherit what a process holds."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_damage_is_seeded(tmp_path: Path) -> None:
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        (tmp_path / name / "work").mkdir(parents=True)
        Server(tmp_path / name / "work", seed).damage(1, tmp_path / name / "damaged")
    first, again, other = ((tmp_path / n / "damaged/small.toml").read_bytes() for n in "abc")
    assert first == again != other


def test_whole_files_and_a_sample_of_damaged_ones() -> None:
    run("--count", "50", "--jobs", "1")


@pytest.mark.slow
def test_many_damaged_files() -> None:
    run("--count", "10000", "--seed", "1")


@pytest.mark.slow
def test_damaged_files_through_the_command_line() -> None:
    run("--commands", "--count", "250", "--seed", "2")
