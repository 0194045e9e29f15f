"""How the command line talks: one line for each mistake, whatever standard output and error are."""

import contextlib
import errno
import functools
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from bnnedge.errors import BnnEdgeError
from bnnedge.extras import missing_of
from bnnedge.names import printable

_OF_THE_SYSTEM = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOMEM),
}


class Program(click.Group):
    """A group of commands whose wrong usage is one line, too, and ends with exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return list(self.commands)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """See `click.Group`."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # of an encoding that may have no "→"
                stream.reconfigure(errors="replace")
        run = functools.partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        try:
            code: Any = run()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            why = error.format_message()
            if isinstance(error, click.UsageError):
                context = error.ctx
                why += f" — see {'bnnedge' if context is None else context.command_path} --help"
            as_json = "--json" in (sys.argv if args is None else args)
            fail(why, code=error.exit_code, as_json=as_json)
        except OSError as error:  # of `--help`; what commands print is theirs
            if isinstance(error, BrokenPipeError):
                _forget_output()
                sys.exit(128 + signal.SIGPIPE)
            fail(f"cannot write the results: {error.strerror}", code=1)
        except click.Abort:
            fail("interrupted", code=128 + signal.SIGINT)
        sys.exit(code if isinstance(code, int) else 0)


def fail(why: str, *, code: int, as_json: bool = False) -> NoReturn:
    """End with one line on standard error, and one JSON value on standard output if asked for."""
    if as_json:
        with contextlib.suppress(OSError):
            click.echo(json.dumps({"error": why}))
    tell(f"bnnedge: {' '.join(why.split())}")
    _forget_output()
    sys.exit(code)


def of_the_system(error: Exception) -> str | None:
    """What the system refused, where no program can know that before: memory, disk, permission.

    And what an extra would have brought that is not installed.
    """
    if isinstance(error, ModuleNotFoundError):
        missing = missing_of("this command", error)
        return None if missing is None else str(missing)
    if isinstance(error, MemoryError) or "allocate memory" in str(error):  # torch's has no type
        return "there is not enough memory for this"
    if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM:
        return f"{error.filename or 'a file'}: {error.strerror}"
    if isinstance(error, FileNotFoundError) and not _has_current_folder():
        return "the folder that this was started in is gone — change to another one"
    return None


def _has_current_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def tell(line: str) -> None:
    """A line on standard error, where somebody listens."""
    with contextlib.suppress(OSError):
        click.echo(printable(line), err=True)


def say(text: str) -> None:
    """Text on standard output; if its reader has gone, this is the end, as SIGPIPE's.

    Raises:
        BnnEdgeError: it cannot be written: the disk is full.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        _forget_output()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        _forget_output()
        raise BnnEdgeError(f"cannot write the results: {error.strerror}") from error


def _forget_output() -> None:
    """Let Python not complain at its end about what could not be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or None
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
