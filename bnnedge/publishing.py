"""Putting a folder in its place: whole or not at all, and never at the price of what was there.

The new folder is written beside its place, to `.<name>.bnnedge-new`, which is locked meanwhile, and
brought to the disk; then the two change places in one step, and the old one is removed. Where the
file system cannot exchange folders, the old one is moved away to `.<name>.bnnedge-old` first; a
process that dies between the two moves leaves it there, and the next one moves it back.
"""

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Set
from pathlib import Path

from bnnedge.errors import ArtifactError, BnnEdgeError, named
from bnnedge.scratch import lock

_CANNOT_WRITE: Set[int | None] = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR),
    *(errno.EBUSY, errno.EXDEV, errno.EEXIST, errno.ENOTEMPTY),
    None,  # NumPy's, where an array does not fit on the disk
}
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def publish(folder: Path, *, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Give a temporary sibling of `folder` to write into; it takes the name at the end.

    On any exception, Ctrl-C included, the temporary folder is removed and what was there before
    stays. Whether that may be replaced is for the caller to know.

    Args:
        folder: to be made or replaced.
        keep: asked at the end whether what is there is kept beside, as `<name>.replaced-<n>`.

    Raises:
        ArtifactError: another process is writing `folder`, or a folder cannot be replaced there.
        BnnEdgeError: the disk is full or not writable.
    """
    with writing(folder):
        target = _target(folder)
        with _claimed(target) as new:
            yield new
            _to_disk(new)
            _exchange(target, new, keep=target.exists() and keep())
            _sync(target.parent)


def sweep(folder: Path) -> None:
    """Remove what killed processes left beside `folder`, and undo what they had half done."""
    with contextlib.suppress(OSError, BnnEdgeError):
        target = _target(folder)
        if _new(target).exists() or _old(target).exists():
            with _claimed(target):
                pass


def check_room(folder: Path, mebibytes: int) -> None:
    """See to it that a file system has room before long work is done in vain.

    Args:
        folder: where something will be written; it need not exist.
        mebibytes: what will be written, generously.

    Raises:
        BnnEdgeError: there is less.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    disk = shutil.disk_usage(there)
    if disk.total and disk.free < mebibytes << 20:
        raise BnnEdgeError(
            f"{folder}: wanted {mebibytes} MiB of free disk space, got {disk.free >> 20} MiB",
            remedy="make room, or work on another disk",
        )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Inside this block, what keeps us from writing `folder` is one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        why = error.strerror or error
        raise BnnEdgeError(f"cannot write {folder}: {why}") from error


def _target(folder: Path) -> Path:
    """Where `folder` really lies; links to it stay links."""
    target = Path(os.path.realpath(folder))
    if target.is_symlink():
        raise ArtifactError(
            f"{folder} is a link that leads nowhere", remedy=f"choose another {named('out')}"
        )
    if target.is_mount() or Path.cwd().is_relative_to(target):
        what = "is a mount point" if target.is_mount() else "is the folder that you are in"
        raise ArtifactError(
            f"{folder} {what} and cannot be replaced",
            remedy=f"give a folder in it as {named('out')}",
        )
    return target


def _new(target: Path) -> Path:
    return target.with_name(f".{target.name}.bnnedge-new")


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.bnnedge-old")


@contextlib.contextmanager
def _claimed(target: Path) -> Iterator[Path]:
    """The empty folder for what is to become `target`, ours alone; removed at the end."""
    new, old = _new(target), _old(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        while True:
            try:
                new.mkdir(exist_ok=True)
            except FileNotFoundError as error:  # in /proc, say
                raise BnnEdgeError(f"cannot write {target}: {error.strerror}") from error
            try:
                stack.callback(os.close, lock(new))
            except FileNotFoundError:  # another process has just finished
                continue
            except BlockingIOError:
                raise ArtifactError(
                    f"{target} is being written by another process",
                    remedy=f"wait for that one, or choose another {named('out')}",
                ) from None
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise
            break
        with contextlib.suppress(OSError):  # what is there now lies at `new` before it is removed
            stack.callback(os.close, lock(target))
        stack.callback(shutil.rmtree, new, ignore_errors=True)
        if old.exists():
            if target.exists():
                shutil.rmtree(old)
            else:
                old.rename(target)
        for left in new.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield new


def _exchange(target: Path, new: Path, *, keep: bool) -> None:
    """Put `new` where `target` is, and what was there, if anything, where `new` was or is kept."""
    if not target.exists():
        new.rename(target)
        return
    try:
        if not keep:
            _rename_exchange(new, target)
            return
        kept = free_name(target)
        new.rename(kept)  # a process that dies here leaves both whole
        try:
            _rename_exchange(kept, target)
        except OSError:
            kept.rename(new)
            raise
    except OSError as error:
        if error.errno not in _NO_EXCHANGE:
            raise
        old = free_name(target) if keep else _old(target)
        target.rename(old)
        new.rename(target)
        if not keep:
            old.rename(new)


def free_name(target: Path) -> Path:
    """The first name under which `target` can be kept beside."""
    names = (target.with_name(f"{target.name}.replaced-{n}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _rename_exchange(one: Path, other: Path) -> None:
    """Exchange two paths in one step. Raises OSError, ENOSYS where that does not exist."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if libc.renameat2(*paths, _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one)


def _to_disk(folder: Path) -> None:
    """Bring every file and folder below `folder`, and itself, to the disk."""
    for parent, _, files in os.walk(folder):
        for name in files:
            _sync(Path(parent, name))
        _sync(Path(parent))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot
            raise
    finally:
        os.close(handle)
