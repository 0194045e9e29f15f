"""The reference of all commands and options, made of their declarations.

python -m bnnedge.reference > docs/reference/options.md
"""

import dataclasses
import enum
import inspect
from collections.abc import Iterator
from typing import Any

import click

import bnnedge
from bnnedge.cli import main
from bnnedge.options import Declared, options_for

_HEAD = """\
# Commands and options

Each option is declared once, in the source of the stage that it belongs to; this page is made of
these declarations by `python -m bnnedge.reference > docs/reference/options.md`. The Python
functions of the same names take the options as keywords (`bnnedge.rtl(dataflow, out,
target_fps=500_000)`); those with a section are keys of a recipe, too. Every command also takes
`--json` (one JSON value instead of text), `--debug` (a traceback on failure) and `--help`. In
Python, `--replace` and `--accept-edited` are `with bnnedge.permitting(replace=True):`.
"""
_COLUMNS = ("option", "keyword", "recipe", "default", "")
_EVERYWHERE = {"--json", "--debug", "--help"}


def page() -> str:
    """The reference as Markdown."""
    return "\n".join([_HEAD, *(line for name in sorted(main.commands) for line in _section(name))])


def _section(name: str) -> Iterator[str]:
    command = main.commands[name]
    if command.hidden:
        return
    context = click.Context(command, info_name=f"bnnedge {name}")
    declared = {
        each.name: each for each in options_for(getattr(bnnedge, name.replace("-", "_"), None))
    }
    parameters = command.get_params(context)
    arguments = [p.make_metavar(context) for p in parameters if isinstance(p, click.Argument)]
    yield f"## `bnnedge {' '.join([name, *arguments])}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield f"{command.epilog}\n".replace("Example: ", "Example: `").replace("\n", "`\n")
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for parameter in parameters:
        if isinstance(parameter, click.Option) and _EVERYWHERE.isdisjoint(parameter.opts):
            yield _row(parameter, declared.get(str(parameter.name)))
    yield ""


def _row(parameter: click.Option, declared: Declared | None) -> str:
    flags = "`, `".join([*parameter.opts, *parameter.secondary_opts])
    if declared is None:
        return f"| `{flags}` | | | | {_escaped(parameter.help or '')} |"
    said = declared.option
    recipe = f"`[{said.section}] {declared.name}`" if said.section else ""
    unit = f" {said.unit}" if said.unit else ""
    bounds = f" {said.bounds}{unit}." if said.bounds else ""
    return (
        f"| `{flags}` | `{declared.name}` | {recipe} | {_default(declared.default)} |"
        f" {_escaped(said.help + bounds)} |"
    )


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return "wanted"
    if value is None:
        return ""
    return f"`{value.value if isinstance(value, enum.Enum) else value}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
