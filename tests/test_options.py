"""An option is declared once: command line, Python, recipe and reference follow from it."""

import ast
import dataclasses
import enum
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

import bnnedge
from bnnedge import reference
from bnnedge.artifacts import Permission, to_json
from bnnedge.cli import main
from bnnedge.errors import BnnEdgeError, ConfigError
from bnnedge.options import check_bounds, keywords, later, option, options_for, options_of
from bnnedge.recipe import section_keys
from bnnedge.shell import click_option

ROOT = Path(bnnedge.__file__).parents[1]
VERBS = (
    "lower",
    "rtl",
    "fifos",
    "simulate",
    "hls",
    "synth",
    "verify_bits",
    "package",
    "deploy",
    "build",
    "evaluate",
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    """A stage's choices."""

    depth: int = option(3, help="How deep.", least=1, most=9, unit="words", section="toy")
    where: Path | None = option(None, help="Where.", section="toy")
    colour: Colour = option(Colour.RED, help="Which.", section="toy")
    other: Colour | None = option(None, help="Which else.")
    quick: bool = option(True, help="Take all the time.", section="toy")
    kept: bool = option(False, help="Keep it.")
    wanted: str = option(help="What.")
    pair: tuple[float, ...] = option(
        (0.0, 0.5), help="Two.", given=(float, 0.5), made=lambda x: (0.0, x)
    )
    inner: int = 7

    def __post_init__(self) -> None:
        check_bounds(self)


@keywords
def toy(source: Path, config: ToyConfig, *, again: bool = False) -> tuple[Path, ToyConfig, bool]:
    """Play."""
    return source, config, again


@dataclass(frozen=True, kw_only=True)
class GrownConfig:
    """A stage's choices, of which one came after records were written."""

    old: int | None = None
    new: int | None = later()


def test_records_leave_out_what_came_later() -> None:
    assert to_json(GrownConfig()) == {"old": None}
    assert to_json(GrownConfig(new=3)) == {"old": None, "new": 3}


def test_a_field_becomes_a_keyword() -> None:
    names = list(inspect.signature(toy).parameters)
    assert names == [
        *(
            "source",
            "depth",
            "where",
            "colour",
            "other",
            "quick",
            "kept",
            "wanted",
            "pair",
            "again",
        ),
    ]
    depth = inspect.signature(toy).parameters["depth"]
    assert (depth.default, depth.annotation, depth.kind) == (3, int, depth.KEYWORD_ONLY)
    assert "depth: How deep." in (inspect.getdoc(toy) or "")
    source, config, again = toy(
        "a", wanted="x", colour="blue", other="red", where="b", pair=1, again=True
    )
    assert (source, again) == (Path("a"), True)
    assert config == ToyConfig(
        wanted="x", colour=Colour.BLUE, other=Colour.RED, where=Path("b"), pair=(0.0, 1.0)
    )


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"wanted": "x", "depth": 10}, ConfigError, "depth: wanted 1 to 9 words, got 10"),
        ({"wanted": "x", "depth": "1"}, ConfigError, "toy: depth wants an integer, got '1'"),
        ({"wanted": "x", "colour": "rad"}, ConfigError, r"toy: colour wants one of red, blue"),
        ({}, TypeError, "missing a required argument: 'wanted'"),
        ({"wanted": "x", "deep": 1}, TypeError, "unexpected keyword argument 'deep'"),
    ],
)
def test_what_is_given_is_checked(given: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        toy("a", **given)


def test_a_field_becomes_an_option_of_the_command_line() -> None:
    made = {each.name: click_option(each) for each in options_of(ToyConfig)}
    command = click.Command("toy", params=list(made.values()), callback=lambda **given: given)
    words = ["--wanted", "x", "--depth", "4", "--no-quick", "--kept", "--colour", "blue"]
    given = command.main(words, standalone_mode=False)
    assert given == {
        **{"wanted": "x", "depth": 4, "quick": False, "kept": True, "colour": "blue"},
        **{"where": None, "other": None, "pair": 0.5},
    }
    shown = command.get_help(click.Context(command))
    assert "[default: 3]" in shown and "[required]" in shown and "--no-quick" in shown


def test_a_field_becomes_a_key_of_its_section() -> None:
    keys = {field.name: field for field in dataclasses.fields(section_keys("toy", ToyConfig))}
    assert list(keys) == ["depth", "where", "colour", "quick"]
    assert keys["depth"].default == 3


def test_a_field_becomes_a_line_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    command = click.Command(
        "toy", params=[click_option(each) for each in options_of(ToyConfig)], epilog="", help=""
    )
    monkeypatch.setitem(main.commands, "toy", command)
    monkeypatch.setattr(bnnedge, "toy", toy, raising=False)
    page = reference.page()
    line = "| `--depth` | `depth` | `[toy] depth` | `3` | How deep. 1 to 9 words. |"
    assert line in page.splitlines()


def test_the_reference_is_the_one_in_the_docs() -> None:
    path = ROOT / "docs" / "reference" / "options.md"
    made = "run python -m bnnedge.reference > docs/reference/options.md"
    assert path.read_text(encoding="utf-8") == reference.page(), made


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_in_command_signature_and_documentation(verb: str) -> None:
    function, command = getattr(bnnedge, verb), main.commands[verb.replace("_", "-")]
    parameters = inspect.signature(function).parameters
    flags = {p.name: p for p in command.get_params(click.Context(command))}
    declared = options_for(function)
    assert declared
    for each in declared:
        assert each.flag in flags[each.name].opts
        assert parameters[each.name].annotation == each.type
        assert f"{each.name}: {each.option.help}" in (inspect.getdoc(function) or "")
    assert "--json" in {opt for p in flags.values() for opt in p.opts}


def test_what_is_permitted_is_declared_once() -> None:
    names = {each.name for each in options_of(Permission)}
    assert names == set(inspect.signature(bnnedge.permitting).parameters)
    flags = {opt for p in _parameters("rtl") for opt in p.opts}
    assert {"--replace", "--accept-edited"} <= flags
    assert "--trust" in {opt for p in _parameters("simulate") for opt in p.opts}


def _parameters(name: str) -> list[click.Parameter]:
    command = main.commands[name]
    return command.get_params(click.Context(command))


def _flags() -> set[str]:
    return {
        opt
        for name in main.commands
        for p in _parameters(name)
        for opt in [*p.opts, *p.secondary_opts]
    }


_OF_OTHERS = {"--no-deps", "--version", "--help"}  # of pip, and of every program


def named_in_remedies(source: str) -> set[str]:
    """Options that the errors of a module name."""
    texts = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            texts += [keyword.value for keyword in node.keywords if keyword.arg == "remedy"]
    found = set()
    for text in texts:
        for part in ast.walk(text):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                found |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", part.value))
    return found


def test_remedies_name_options_that_exist() -> None:
    known = _flags() | _OF_OTHERS
    named = {
        (path.name, flag)
        for path in (ROOT / "bnnedge").rglob("*.py")
        for flag in named_in_remedies(path.read_text(encoding="utf-8"))
    }
    assert ("uart.py", "--baud") in named
    assert not {(name, flag) for name, flag in named if flag not in known}


def test_a_remedy_that_names_no_option_is_found() -> None:
    source = 'raise BnnEdgeError("wrong", remedy=f"choose another --bawd {x} or --seed")'
    assert named_in_remedies(source) == {"--bawd", "--seed"}
    assert "--bawd" not in _flags() and issubclass(ConfigError, BnnEdgeError)
