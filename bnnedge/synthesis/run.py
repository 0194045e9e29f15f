"""A run of tools for one artifact: its folders, its logs, its steps and how long they took."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from bnnedge.cache import failure_logs
from bnnedge.progress import Progress

LOG_FOLDER = "logs"


class Run:
    """Tools at work.

    Args:
        work: where they run; it is removed afterwards.
        folder: what is published.
        progress: called with the name of each step as it begins.

    Attributes:
        seconds: of each step that is over.
    """

    def __init__(self, work: Path, folder: Path, progress: Progress) -> None:
        self.work, self.folder, self.progress = work, folder, progress
        self.seconds: dict[str, float] = {}
        self._logs = failure_logs()  # outlives a failure
        (folder / LOG_FOLDER).mkdir()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step and note how long it took."""
        self.progress(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)

    def log(self, name: str) -> Path:
        """Path for a tool's log."""
        return self._logs / f"{name}.log"

    def keep(self, name: str, within: str = "") -> None:
        """Put a file of the working folder into the artifact."""
        shutil.copyfile(self.work / name, self.folder / within / name)

    def publish_logs(self) -> None:
        """Move the logs into the artifact."""
        for path in self._logs.glob("*.log"):
            shutil.copyfile(path, self.folder / LOG_FOLDER / path.name)
        shutil.rmtree(self._logs)
