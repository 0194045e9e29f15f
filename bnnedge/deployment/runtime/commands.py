"""What the command lines share: one line for what goes wrong, and a board left in order."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .accelerator import Accelerator
from .errors import AcceleratorError
from .files import write_results

_MOST_CLASSES = 20


def run(command: Callable[[], None]) -> int:
    """Run a command to its end, or to an error or signal, which become a line on stderr.

    SIGTERM unwinds as SIGINT does, so that no DMA goes on writing into memory that is free again.
    While it unwinds, neither comes through a second time. One that is ignored, as in the
    background of a shell, stays ignored.

    Returns:
        The exit status: 0 only if the command was done.
    """
    for name in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, _interrupt)
    try:
        command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _failed("interrupted")
    except MemoryError:
        return _failed("not enough memory; take fewer images")
    except (AcceleratorError, OSError) as error:
        return _failed(str(error))
    return 0


def write(accelerator: Accelerator, batch: Any, path: Path) -> None:
    """Write the results of a batch, and say how many images are of which class, by its name.

    Raises:
        InputError: a bad batch, or `path` cannot be written.
        DeviceError: see `Accelerator.execute`.
    """
    results = accelerator.execute(batch)
    write_results(path, results)
    print(f"{len(batch)} results written to {path}")
    names = accelerator.names(results) if accelerator.manifest.class_names else []
    found = Counter(names).most_common()
    for name, count in found[:_MOST_CLASSES]:
        print(f"{name}: {count}")
    if len(found) > _MOST_CLASSES:
        print(f"and {len(found) - _MOST_CLASSES} classes more")


def _interrupt(number: int, frame: Any) -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt


def _failed(text: str) -> int:
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # or Python would try again at its end, and tell with a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
