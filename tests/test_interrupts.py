"""Ctrl-C is never lost, and does not leave a module that is half imported."""

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge.interrupts import Stopped, go_on, stoppable, whole_calls, whole_imports

SLOW = """
import os, signal
first = 1
os.kill(os.getpid(), signal.SIGINT)
second = 2
"""


@pytest.fixture(autouse=True)
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module in whose middle Ctrl-C is pressed."""
    (tmp_path / "slow_to_import.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_import_is_whole_and_then_interrupted() -> None:
    with pytest.raises(KeyboardInterrupt), whole_imports():
        importlib.import_module("slow_to_import")
    assert sys.modules["slow_to_import"].second == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_it_the_module_is_gone() -> None:
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module("slow_to_import")
    assert "slow_to_import" not in sys.modules


def test_elsewhere_it_interrupts_at_once() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), whole_imports():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert not reached


def test_a_second_one_does_not_wait(tmp_path: Path) -> None:
    twice = SLOW.replace("second", "os.kill(os.getpid(), signal.SIGINT)\nsecond")
    (tmp_path / "slow_to_import.py").write_text(twice)
    with pytest.raises(KeyboardInterrupt), whole_imports():
        importlib.import_module("slow_to_import")
    assert "slow_to_import" not in sys.modules


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_call_is_whole_and_then_stopped_at_the_second_at_once(stop: signal.Signals) -> None:
    reached = 0
    with pytest.raises(Stopped) as stopped, stoppable(), whole_calls():
        os.kill(os.getpid(), stop)
        reached = 1
    assert reached == 1 and stopped.value.signal == stop
    with pytest.raises(Stopped), stoppable(), whole_calls():
        os.kill(os.getpid(), stop)
        os.kill(os.getpid(), stop)
        reached = 2
    assert reached == 1


def test_threads_and_ignored_signals_are_left_alone() -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with whole_imports():
                pass
        except ValueError as error:  # signals belong to the main thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with whole_imports():
        importlib.import_module("slow_to_import")
    assert not failed and sys.modules["slow_to_import"].second == 2


def test_one_that_a_library_swallows_is_raised_again() -> None:
    with pytest.raises(Stopped), stoppable():
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)
        go_on()
    go_on()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            go_on()
    finally:
        signal.signal(signal.SIGHUP, before)
