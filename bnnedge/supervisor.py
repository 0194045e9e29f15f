"""Runs a program for `bnnedge.tools` and sees to it that nothing of it outlives bnnedge.

Started as a script: `supervisor.py PROGRAM ARGUMENT…`. Standard input is a pipe from bnnedge, which
closes when bnnedge wants an end or has died, however it died. The program and everything that it
started, in whatever session, are killed then, as is what it leaves behind when it ends.
"""

import ctypes
import os
import select
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def main(argv: list[str]) -> None:
    """Run `argv` and end as it ends."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1)  # orphans among the descendants become our own children
    child = os.fork()
    if child == 0:
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        try:
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(1, f"error: cannot run {argv[0]}: {error.strerror}\n".encode())
            os._exit(126)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, 0], [], [])
    status = -signal.SIGKILL
    if ended in ready:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _kill_descendants()
    if status >= 0:
        sys.exit(status)
    if status != -signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)


def _kill_descendants() -> None:
    """Kill our children; those of a killed one come to us, until there are none."""
    while True:
        listed = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
        children = os.read(listed, 65536).split()
        os.close(listed)
        if not children:
            return
        for child in children:
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
