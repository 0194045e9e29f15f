"""Ctrl-C while Python imports: a module that is half there misleads whatever comes next."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_IMPORTING = "<frozen importlib._bootstrap>"


@contextlib.contextmanager
def whole_imports() -> Iterator[None]:
    """Inside this block a first Ctrl-C that falls into an import waits until the block ends."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    waiting = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal waiting
        if not waiting and _is_importing(frame):
            waiting = True
        else:
            before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:
            before(signal.SIGINT, None)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
