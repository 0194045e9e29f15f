"""For tests that start processes."""

import signal


def listen_to_ctrl_c() -> None:
    """Undo an inherited ignored SIGINT, as background jobs of a shell have it; a `preexec_fn`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
