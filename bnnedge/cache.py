"""What is built once per user and kept by content: found again whole, or built again.

An entry is the folder `<key>.<digest>`: `key` stands for what it was built from, `digest` for the
files in it. One that was damaged or altered is not what its name says, and is built again.
"""

import functools
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.errors import BnnEdgeError
from bnnedge.publishing import check_room
from bnnedge.scratch import scratch

_KEPT_RUNS = 20
_ENTRY = re.compile(r".+\.[0-9a-f]{32}", re.DOTALL)
_TOOL = re.compile(r"yowasp_\w+")
_LOGS = re.compile(r"\d{8}-\d{6}-.+")
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_ROOM_MIB = 256  # Verilator's runtime with its precompiled header takes 70


def build_once(folder: Path, key: str, build: Callable[[Path, Path, Path], None]) -> Path:
    """The entry `key` of `folder`, made by `build(work folder, folder to fill, log)` if need be.

    It appears whole or not at all, whoever else builds it at the same time; the log stays beside
    it when the build fails.

    Raises:
        BnnEdgeError: `folder` is not this user's own, or cannot be written.
    """
    try:
        _make_private(folder, _ENTRY)
        entry = _find(folder, key)
        if entry is not None:
            entry.touch()  # the oldest are dropped first
            return entry
        check_room(folder, _ROOM_MIB)
        with scratch(folder) as work:
            for old in folder.glob(f"{key}.*.log"):
                if not (folder / old.name.split(".")[-2]).exists():  # nobody writes it any more
                    old.unlink(missing_ok=True)
            log = folder / f"{key}.{work.name}.log"
            done = work / "done"
            done.mkdir()
            build(work, done, log)
            entry = folder / f"{key}.{_content(done)}"
            for path in (done, *done.rglob("*")):
                path.chmod(path.stat().st_mode & ~(stat.S_IRWXG | stat.S_IRWXO))
            try:
                done.rename(entry)
            except OSError:  # another process was faster; its result is the same
                if not entry.is_dir():
                    raise
        log.unlink(missing_ok=True)
    except OSError as error:
        raise BnnEdgeError(
            f"cannot write to the cache {folder}: {error.strerror}",
            remedy="set XDG_CACHE_HOME to a folder that can be written and has room",
        ) from error
    return entry


def keep_newest(folder: Path, count: int, *, holding: str) -> None:
    """Remove all but the `count` entries used last of those that hold a file of that name."""
    entries = [path.parent for path in folder.glob(f"*/{holding}")]
    for entry in sorted(entries, key=_used, reverse=True)[count:]:
        shutil.rmtree(entry, ignore_errors=True)


def _used(path: Path) -> float:
    """When it was used last; never, if another process has removed it."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A folder of the cache and the bytes in it."""

    folder: Path
    bytes: int


def parts() -> tuple[Part, ...]:
    """What this user's cache holds, and that of the synthesis tools."""
    own = tools.cache_dir()
    folders = [*(sorted(own.iterdir()) if own.is_dir() else ()), tools.yowasp_cache()]
    return tuple(
        Part(folder=folder, bytes=sum(map(_size, folder.rglob("*"))))
        for folder in folders
        if folder.is_dir()
    )


def _size(path: Path) -> int:
    """Of a file; 0 of anything else, and of what another process takes away meanwhile."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    return 0 if stat.S_ISDIR(found.st_mode) else found.st_size


def failure_logs() -> Path:
    """A new folder for the logs of a run, which somebody reads if it fails; the last few stay."""
    folder = tools.cache_dir() / "logs"
    _make_private(folder, _LOGS)
    runs = [path for path in folder.iterdir() if _LOGS.fullmatch(path.name)]
    for run in sorted(runs, key=_used)[:-_KEPT_RUNS]:
        shutil.rmtree(run, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=folder))


def protect_tools() -> None:
    """See to it that only this user, or root, has written what the synthesis tools run of theirs.

    Raises:
        BnnEdgeError: another user's is there, or it cannot be made.
    """
    folder = tools.yowasp_cache()
    try:
        found = folder.stat() if folder.exists() else None
        if found is None or found.st_uid != 0 or found.st_mode & _WRITABLE_BY_OTHERS:
            _make_private(folder, _TOOL)
    except OSError as error:
        raise BnnEdgeError(
            f"cannot use the synthesis tools' cache {folder}: {error.strerror}",
            remedy="set YOWASP_CACHE_DIR to a folder that can be written and has room",
        ) from error


def _make_private(folder: Path, entries: re.Pattern[str]) -> None:
    """Make `folder`, or see to it that only this user writes there: what it holds is run."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise BnnEdgeError(
            f"the cache {folder} belongs to user {found.st_uid}, wanted {os.getuid()}",
            remedy=f"set {'YOWASP_CACHE_DIR' if entries is _TOOL else 'XDG_CACHE_HOME'} to a folder"
            " of your own",
        )
    if found.st_mode & _WRITABLE_BY_OTHERS:
        folder.chmod(0o700)
        for path in folder.iterdir():  # others may have put it there
            if path.is_symlink() or entries.fullmatch(path.name):
                _remove(path)


def _find(folder: Path, key: str) -> Path | None:
    for entry in folder.glob(f"{key}.*/"):
        if entry.name == f"{key}.{_content(entry)}":
            return entry
        _remove(entry)
    return None


def _remove(path: Path) -> None:
    """Remove a folder with what is in it, or a link to one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _content(entry: Path) -> str:
    """32 hex digits over the files in an entry and their places."""
    files = sorted(path for path in entry.rglob("*") if path.is_file())
    return _digest_of(entry, tuple((path, _state(path)) for path in files))


def _state(path: Path) -> tuple[int, int, int, int]:
    """What no write to a file leaves as it was."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


@functools.lru_cache(maxsize=64)  # the precompiled runtime has 70 MB, and every model asks for it
def _digest_of(entry: Path, files: tuple[tuple[Path, tuple[int, int, int, int]], ...]) -> str:
    paths = [path for path, _ in files]
    return digest([str(path.relative_to(entry)) for path in paths], paths)


def digest(*parts: object) -> str:
    """32 hex digits over texts, and over names and contents of files; a part may be several."""
    sha256 = hashlib.sha256()
    for part in parts:
        items = [part] if isinstance(part, str) or not isinstance(part, Iterable) else part
        sha256.update(b"part")
        for item in items:
            text = os.fsencode(str(item))
            if isinstance(item, Path):  # the name counts too: Verilator finds modules by it
                text = os.fsencode(item.name) + b"\0" + item.read_bytes()
            sha256.update(len(text).to_bytes(8, "little") + text)
    return sha256.hexdigest()[:32]
