"""What every command has in common: its options, how it runs, ends, and tells how far it is."""

import contextlib
import dataclasses
import enum
import functools
import inspect
import json
import logging
import shutil
import signal
import sys
import threading
import traceback
import typing
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

import bnnedge
from bnnedge.console import Program, fail, of_the_system, say, tell
from bnnedge.errors import BnnEdgeError, BnnEdgeWarning, flags
from bnnedge.interrupts import Stopped, go_on, stoppable
from bnnedge.names import printable

if TYPE_CHECKING:
    from bnnedge.options import Declared
    from bnnedge.progress import Progress

Function = Callable[..., Any]
_BAR_STEPS = 1000
_BAR_COLUMNS = 42  # a stage's name and its bar


class _Named(click.Path):
    """A path; no text is no path, although it stands for the current folder elsewhere."""

    def convert(self, value: Any, parameter: Any, context: Any) -> Any:
        if not value:
            self.fail("wanted a path, got an empty one", parameter, context)
        try:
            return super().convert(value, parameter, context)
        except click.BadParameter as error:  # the command is right, what is there is not
            raise click.ClickException(error.format_message()) from error


FOLDER = _Named(file_okay=False, path_type=Path)
PATH = _Named(path_type=Path)


@click.group(
    cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(bnnedge.__version__, prog_name="bnnedge")
def main() -> None:
    """Binarised networks from PyTorch to bit-exact streaming XNOR-popcount accelerators."""


class _Command(click.Command):
    """A command with the options of its verb, which is imported when they are asked for."""

    def __init__(self, *args: Any, declared: Callable[[], Sequence["Declared"]], **more: Any):
        super().__init__(*args, **more)
        self._declared = declared

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """See `click.Command`."""
        first, *rest = _split(super().get_params(ctx))
        return [*first, *map(click_option, self._declared()), *rest]


def _split(parameters: list[click.Parameter]) -> list[Any]:
    """Arguments and `-o`, then the others."""
    own = [p for p in parameters if isinstance(p, click.Argument) or "-o" in p.opts]
    return [own, *(p for p in parameters if p not in own)]


def click_option(declared: "Declared") -> click.Option:
    """What the command line makes of an option."""
    said = declared.option
    plain = any(declared.default is each for each in (None, False, True, dataclasses.MISSING))
    default: Any = None if declared.default is dataclasses.MISSING else declared.default
    if isinstance(default, enum.Enum):
        default = default.value
    kind: Any = _click_type(declared.type)
    switch = {"is_flag": True, "flag_value": not default} if kind is bool else {"type": kind}
    if declared.off:
        switch = {}
    return click.Option(
        ["/".join(filter(None, (declared.flag, declared.off))), declared.name],
        default=default,
        required=declared.default is dataclasses.MISSING,
        show_default=not plain,
        help=said.help,
        shell_complete=None if said.choices is None else completing(said.choices),
        **switch,
    )


def completing(
    names: Callable[[], Iterable[str]], *, files: bool = True
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What a shell completes: names, and files where they are taken, too."""

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if name.startswith(begun)]
        return [*found, CompletionItem(begun, type="file")] if files else found

    return complete


def _click_type(kind: Any) -> Any:
    inner = [each for each in typing.get_args(kind) if each is not type(None)] or [kind]
    first = inner[0]
    if isinstance(first, type) and issubclass(first, enum.Enum):
        return click.Choice([member.value for member in first])
    return PATH if first is Path else first


def command(
    example: str, *, verb: str | None = None, writes: bool = False, reads: bool = True
) -> Callable[[Function], click.Command]:
    """A command whose function returns what `--json` prints, lines for people, and an exit code.

    Args:
        example: for its help.
        verb: the function whose options it takes; by default the one of its name, if there is one.
        writes: it writes a folder, and can be told to keep another one beside.
        reads: it reads what others wrote, and can be told to take it as it is.
    """

    def decorate(function: Function) -> click.Command:
        name = function.__name__.rstrip("_").replace("_", "-")

        def declared() -> Sequence["Declared"]:
            from bnnedge.artifacts import Permission
            from bnnedge.options import options_for, options_of

            allowed = {"replace"} if writes else set()
            allowed |= {"accept_edited"} if reads else set()
            permissions = (each for each in options_of(Permission) if each.name in allowed)
            own = options_for(getattr(bnnedge, verb or name.replace("-", "_"), None))
            return [*own, *permissions]

        @click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead.")
        @click.option("--debug", is_flag=True, help="Show a traceback on failure.")
        @functools.wraps(function)
        def run(
            as_json: bool,
            debug: bool,
            replace: bool = False,
            accept_edited: bool = False,
            **given: Any,
        ) -> None:
            def action() -> None:
                from bnnedge.artifacts import permitting

                chosen = {name: value for name, value in given.items() if value is not None}
                with permitting(replace=replace, accept_edited=accept_edited):
                    _print(function(**chosen), as_json)

            _guarded(action, as_json, debug)

        if writes:
            run = click.option(
                "-o", "--output", "out", type=FOLDER, required=True, help="Folder to write."
            )(run)
        assert function.__doc__ is not None
        return main.command(
            name=name,
            cls=_Command,
            declared=declared,
            epilog=f"Example: {example}",
            help=function.__doc__,
        )(run)

    return decorate


class _Every:
    """Holds whatever is looked for."""

    def __contains__(self, _: object) -> bool:
        return True


def _flags(run: click.Command) -> Container[str]:
    """What errors name as flags: all options, but for keys of a recipe where one is read."""
    names = {str(parameter.name) for parameter in run.get_params(click.get_current_context())}
    return names if "recipe" in names else _Every()


def watched(verb: Function, /, *arguments: Any, **given: Any) -> Any:
    """What a verb returns, its progress being shown under the command's name."""
    if "progress" not in inspect.signature(verb).parameters:
        return verb(*arguments, **given)
    with ProgressBars() as bars:
        return verb(
            *arguments, **given, progress=bars.of(click.get_current_context().command.name or "")
        )


def _print(result: tuple[Any, Iterable[str], *tuple[int, ...]], as_json: bool) -> None:
    from bnnedge.records import to_json

    record, lines, *code = result
    say(json.dumps(to_json(record), indent=1) if as_json else "\n".join(map(printable, lines)))
    if any(code):
        sys.exit(code[0])


def _quieten() -> None:
    """Only our own warnings: third parties' are of named tensors, missing CUDA, layouts, …"""
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", BnnEdgeWarning)
    warnings.showwarning = lambda message, *_: tell(f"bnnedge: {message}")
    logging.disable(logging.WARNING)
    # TensorBoard writes in a thread; what fails there is raised here, too, by the next call.
    threading.excepthook = lambda _: None


def _guarded(action: Callable[[], None], as_json: bool, debug: bool) -> None:
    """Run; a failure becomes one line (or one JSON value) and an exit code."""
    try:
        named = _flags(click.get_current_context().command)
        with flags(named), stoppable(), warnings.catch_warnings():
            if not debug:
                _quieten()
            action()
        return
    except BnnEdgeError as error:
        failure, code = str(error), 1
        shown: BaseException = error
    except KeyboardInterrupt as error:
        number = error.signal if isinstance(error, Stopped) else signal.SIGINT
        failure = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
        failure, code = f"{failure}; the same command goes on with what is done", 128 + number
        shown = error
    except Exception as error:
        failure, code = of_the_system(error) or "", 1
        if not failure:
            failure = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
            code = 70
        shown = error
    if debug:
        traceback.print_exception(shown)
    fail(failure, code=code, as_json=as_json)


class ProgressBars:
    """A bar a stage on standard error; only the stages' names off a terminal."""

    def __init__(self) -> None:
        self._plain = not sys.stderr.isatty()
        self._told: set[str] = set()
        self._shown: tuple[str, Any] | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "ProgressBars":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _tell(self, stage: str, what: str, share: float | None = None, /) -> None:
        go_on()
        if not self._plain:
            self._show(stage, what, share)
        elif stage not in self._told and share != 0:  # at 0 it may be refused in one line
            self._told.add(stage)
            tell(f"{stage} …")

    def _show(self, stage: str, what: str, share: float | None) -> None:
        if self._shown is None or self._shown[0] != stage:
            self._open.close()
            bar = click.progressbar(
                length=_BAR_STEPS,
                label=f"{stage:9}",
                file=sys.stderr,
                width=24,
                show_eta=False,
                show_percent=False,
                item_show_func=lambda item: item,
                update_min_steps=0,
            )
            self._shown = stage, self._open.enter_context(bar)
        bar = self._shown[1]
        room = max(shutil.get_terminal_size().columns - _BAR_COLUMNS, 0)
        bar.update(round((share or 0.0) * _BAR_STEPS) - bar.pos, printable(what)[:room])

    def of(self, stage: str) -> "Progress":
        """The progress of one stage."""
        return functools.partial(self._tell, stage)
