"""For tests that start processes."""

import signal
from pathlib import Path


def listen_to_ctrl_c() -> None:
    """Undo an inherited ignored SIGINT, as background jobs of a shell have it; a `preexec_fn`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_of_torch(path: Path) -> bool:
    """Whether this is the cache that torch makes for itself where temporary files are."""
    return path.name.startswith("torchinductor_")
