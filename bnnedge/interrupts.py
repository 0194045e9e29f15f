"""Ctrl-C and its kin: none is lost in a library that catches all, none leaves half an import."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_IMPORTING = "<frozen importlib._bootstrap>"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_asked: "Stopped | None" = None


class Stopped(KeyboardInterrupt):
    """A signal asks the command to end; `signal` says which one."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.signal = number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Inside this block Ctrl-C, SIGTERM and SIGHUP raise `Stopped`, unless they are ignored."""
    global _asked

    def stop(number: int, _: FrameType | None) -> None:
        global _asked
        _asked = Stopped(signal.Signals(number))
        raise _asked

    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked = None


def go_on() -> None:
    """Called between the steps of long work: raises again what a library has swallowed."""
    if _asked is not None:
        raise _asked


def whole_imports() -> contextlib.AbstractContextManager[None]:
    """Inside this block a first stop that falls into an import waits until the block ends."""
    return _waiting(_is_importing)


def whole_calls() -> contextlib.AbstractContextManager[None]:
    """Inside this short block a first stop waits until its end.

    For libraries with threads: an exception inside `queue.Queue.put` can lose the notice that
    its reader waits for.
    """
    return _waiting(lambda _: True)


@contextlib.contextmanager
def _waiting(where: Callable[[FrameType | None], bool]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    waiting: int | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal waiting
        if waiting is None and where(frame):
            waiting = number
        else:
            handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting is not None:
            handlers[signal.Signals(waiting)](waiting, None)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
