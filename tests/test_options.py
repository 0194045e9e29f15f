"""An option is declared once: command line, Python, recipe and reference follow from it."""

import ast
import dataclasses
import enum
import inspect
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import bnnedge
from bnnedge import reference
from bnnedge.artifacts import Permission, permitted
from bnnedge.cli import main
from bnnedge.errors import ConfigError, flags, named
from bnnedge.options import check_bounds, keywords, option, options_for, options_of
from bnnedge.recipe import section_keys
from bnnedge.records import later, to_json
from bnnedge.shell import click_option
from tests.networks import random_mlp

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


_CALLERS = {"named", "permitted"}
_OTHERS = {"cli.py", "shell.py", "console.py", "options.py", "reference.py"}


def named_in_errors(source: str) -> tuple[set[str], set[str]]:
    """Options that the errors of a module name: in the caller's words, and as flags."""
    texts: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        remedy = isinstance(node, ast.keyword) and node.arg == "remedy"
        if isinstance(node, ast.Raise) or remedy:
            texts.append(node)
    parts = [part for text in texts for part in ast.walk(text)]
    calls = (part for part in parts if isinstance(part, ast.Call))
    options = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in _CALLERS
        if isinstance(call.args[0], ast.Constant)
    }
    written = " ".join(
        part.value
        for part in parts
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )
    plain = re.sub("`[^`]*`", "", written)  # these are commands
    return options, set(re.findall(r"(?<![\w.-])(?:--[a-z][a-z-]*|-o)(?![\w.-])", plain))


def test_errors_name_options_that_exist_in_the_words_of_the_caller() -> None:
    known = {str(p.name) for name in main.commands for p in _parameters(name)}
    found = {
        path.name: named_in_errors(path.read_text(encoding="utf-8"))
        for path in (ROOT / "bnnedge").rglob("*.py")
        if path.name not in _OTHERS and "runtime" not in path.parts
    }
    assert "baud" in found["uart.py"][0]
    assert not {(name, option) for name, (told, _) in found.items() for option in told - known}
    assert not {(name, flag) for name, (_, flags) in found.items() for flag in flags}


def test_an_error_that_names_a_flag_or_no_option_is_found() -> None:
    source = 'raise BnnEdgeError(f"{named(\'bawd\')}", remedy=f"choose another --baud {x}, or -o")'
    assert named_in_errors(source) == ({"bawd"}, {"--baud", "-o"})
    assert not named_in_errors("remedy = '--baud'")[1]


def test_an_option_has_the_words_of_its_caller() -> None:
    def words() -> list[str]:
        given = (
            ("out", None),
            ("clock_mhz", 50),
            ("trust", True),
            ("vivado", False),
            ("seed", None),
        )
        return [*(named(*each) for each in given), permitted("replace")]

    python = ["out", "clock_mhz=50", "trust=True", "vivado=False", "seed"]
    assert words() == [*python, "bnnedge.permitting(replace=True)"]
    with flags({"out", "clock_mhz", "trust", "vivado", "seed", "replace"}):
        shell = ["-o", "--clock-mhz 50", "--trust", "--no-vivado", "--seed", "--replace"]
        assert words() == shell
    with flags({"out"}):  # the rest are keys of a recipe
        assert words()[:2] == ["-o", "clock_mhz=50"]
        with ThreadPoolExecutor() as threads:
            assert threads.submit(named, "out").result() == "-o"
    assert words()[:1] == ["out"]


@pytest.mark.parametrize(
    ("words", "told", "python"),
    [
        ("rtl D -o T", "— choose another -o", lambda d, t: bnnedge.rtl(d, t)),
        ("evaluate D", "(--dataset) or inputs (--inputs)", lambda d, t: bnnedge.evaluate(d)),
    ],
)
def test_commands_tell_flags_and_python_keywords(
    words: str, told: str, python: Callable[[Path, Path], object], tmp_path: Path
) -> None:
    places = {"D": tmp_path / "dataflow", "T": tmp_path / "thesis"}
    for place in places.values():
        place.mkdir()
    random_mlp((6, 3)).save(places["D"])
    (places["T"] / "chapter.tex").touch()
    result = CliRunner().invoke(main, [str(places.get(word, word)) for word in words.split()])
    assert result.exit_code == 1 and told in result.stderr
    with pytest.raises(ConfigError) as caught:
        python(*places.values())
    assert told.replace("--", "").replace("-o", "out") in str(caught.value)
