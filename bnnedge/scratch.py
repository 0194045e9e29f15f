"""Temporary folders that do not outlive their process, not even one that was killed.

Each is locked while its process lives. Whoever makes the next one in the same place removes those
that nobody holds.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "bnnedge-work-"


@contextlib.contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder in `parent` (default: where the system has its temporary files)."""
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent)
    folder, handle = _make(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def lock(folder: Path) -> int:
    """Lock a folder for this process: a descriptor, to be closed to unlock it.

    Raises:
        BlockingIOError: another process holds it.
        FileNotFoundError: it is gone, or another folder has taken its place meanwhile.
        OSError: it is no folder, or the file system knows no locks.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(folder.stat(follow_symlinks=False), os.fstat(handle)):
            raise FileNotFoundError(f"{folder} was replaced")
    except BaseException:
        os.close(handle)
        raise
    return handle


def _make(parent: Path) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            return folder, lock(folder)
        except (BlockingIOError, FileNotFoundError):  # swept before it was locked
            continue
        except OSError:  # nobody can lock here, so nobody sweeps
            return folder, None


def _sweep(parent: Path) -> None:
    """Remove what killed processes of this user left in `parent`."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat(follow_symlinks=False).st_uid == os.getuid():
                handle = lock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)
