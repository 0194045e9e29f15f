"""Work that may crash or grow without end, done in a child process with limits."""

import ctypes
import faulthandler
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from bnnedge.errors import LoweringError

_GIB = 1 << 30
_SET_PARENT_DEATH_SIGNAL = 1
_Made = TypeVar("_Made")


def guarded(work: Callable[[], _Made], *, most_bytes: int, most_seconds: int, what: str) -> _Made:
    """What `work` returns, which runs in a forked child.

    Where there is no fork, it runs here, without limits.

    Args:
        work: touches nothing but memory, and returns what can be pickled; raises LoweringError or
            MemoryError.
        most_bytes: of memory that it may take beyond what this process has.
        most_seconds: of processor time.
        what: it works on, for errors.

    Raises:
        LoweringError: `work` raised it, ended the process, or exceeded a limit.
    """
    if not sys.platform.startswith("linux"):
        return work()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _serve(work, writer, most_bytes, most_seconds, what)
    os.close(writer)
    try:
        with open(reader, "rb") as answers:  # noqa: PTH123 - a descriptor
            answer = answers.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        made: _Made
        made, message, remedy = pickle.loads(answer)
        if message is None:
            return made
        raise LoweringError(message, remedy=remedy)
    if code == -signal.SIGXCPU:
        raise LoweringError(f"{what} takes more than {most_seconds} s of processor time to read")
    raise LoweringError(
        f"{what} cannot be read: ONNX's own code stopped with"
        f" {signal.strsignal(-code) if code < 0 else f'exit status {code}'}",
        remedy="export it again; onnx.checker may say what is wrong with it",
    )


def _serve(
    work: Callable[[], object], writer: int, most_bytes: int, most_seconds: int, what: str
) -> NoReturn:
    """In the child: never returns to the caller's code."""
    answer: tuple[object, str | None, str | None]
    try:
        faulthandler.disable()
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, signal.SIG_DFL)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_CPU, most_seconds)
        _limit(resource.RLIMIT_AS, _address_space() + most_bytes)
        try:
            answer = work(), None, None
        except LoweringError as error:
            answer = None, error.message, error.remedy
        except MemoryError:
            size = f"{most_bytes / _GIB:.1f} GiB"
            answer = None, f"{what} takes more than {size} of memory to read", None
        with open(writer, "wb") as sink:
            pickle.dump(answer, sink)
        os._exit(0)
    finally:
        os._exit(1)


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most < 0 else min(value, most), most))


def _address_space() -> int:
    """Bytes of this process's address space."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return pages * resource.getpagesize()
