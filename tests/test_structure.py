"""The shape of the code: small files and functions, no circles, no room known by a string."""

import ast
import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grimp
import pytest

import bnnedge
from bnnedge.artifacts import Artifact
from bnnedge.deployment.runtime import AxiAccelerator, Manifest, SerialAccelerator
from bnnedge.links import LINKS
from tests.test_stages import STAGES

ROOT = Path(bnnedge.__file__).parents[1]
PACKAGE = ROOT / "bnnedge"
MOST_LINES, MOST_TEST_LINES, MOST_FUNCTION_LINES = 400, 600, 60
_SOURCES = {".py", ".c", ".cpp", ".h", ".hpp", ".sv", ".v", ".j2", ".tcl", ".sh"}
_REASON = "In one piece:"
"""How a docstring says why a function is longer than others."""
_GENERATED = ("models/pretrained",)


def _watched() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE).as_posix()
        if path.suffix in _SOURCES and not name.startswith(_GENERATED):
            yield path


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Functions that are too long and do not say why, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES and _REASON not in (ast.get_docstring(node) or ""):
                yield node.name, lines


def circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules that import each other, directly or through others."""
    reach = {module: set(found) for module, found in imports.items()}
    changed = True
    while changed:
        changed = False
        for found in reach.values():
            more = set().union(*(reach.get(other, set()) for other in found)) - found
            found |= more
            changed |= bool(more)
    loops = {module for module, found in reach.items() if module in found}
    groups = {frozenset({m for m in loops if m in reach[one] and one in reach[m]}) for one in loops}
    return [set(group) for group in groups]


def test_no_file_is_too_long() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix() for path in _watched() if lines_of(path) > MOST_LINES
    }
    assert not found


def test_no_file_of_tests_is_too_long() -> None:
    tests = (ROOT / "tests").rglob("*.py")
    assert not [str(path) for path in tests if lines_of(path) > MOST_TEST_LINES]


def test_no_function_is_too_long() -> None:
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {name}"
        for path in _watched()
        if path.suffix == ".py"
        for name, _ in long_functions(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_a_function_that_is_too_long_is_found() -> None:
    body = "    x = 1\n" * MOST_FUNCTION_LINES
    assert list(long_functions(f"def f():\n{body}")) == [("f", MOST_FUNCTION_LINES + 1)]
    assert not list(long_functions(f'def f():\n    """{_REASON} a table."""\n{body}'))


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph("bnnedge", exclude_type_checking_imports=True)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(imports) == []


def test_a_circle_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set[str]()}
    assert circles(imports) == [{"a", "b", "c"}]


# Where a link is at home, and what is made for one of them.
_LINKS_HOMES = ("links/", "deployment/runtime/", "synthesis/vivado.py")


def links_named(source: str) -> set[str]:
    """Classes of a single link that a module names."""
    kinds = (*LINKS.values(), *Manifest.__subclasses__())
    own = {kind.__name__ for kind in kinds} | {SerialAccelerator.__name__, AxiAccelerator.__name__}
    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return names & own


def test_no_link_is_named_outside_its_home() -> None:
    found = {
        name: links
        for path in PACKAGE.rglob("*.py")
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(_LINKS_HOMES)
        and (links := links_named(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_a_link_that_is_named_is_found() -> None:
    assert links_named("FILES = {AxiDevice.interface: files}") == {"AxiDevice"}
    assert links_named("isinstance(manifest, SerialManifest)") == {"SerialManifest"}


def test_every_room_has_its_layer() -> None:
    """So that import-linter sees an arrow up, whoever imports it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    placed = {room for layer in layers for room in layer.replace(" ", "").split("|")}
    rooms = {f"bnnedge.{path.stem}" for path in PACKAGE.glob("*.py")}
    rooms |= {f"bnnedge.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py")}
    assert rooms - {"bnnedge.__init__", "bnnedge.__main__"} == placed


# Words that facts have, too.
_OTHERS = {
    ("models/pretrained/cards.py", "test_accuracy"): "of a model card",
    ("recipe.py", "clock_mhz"): "a key of a recipe",
    ("data/own.py", "train"): "a part of a data set",
    ("data/users.py", "train"): "a part of a data set",
    ("data/class_folders.py", "train"): "a part of a data set",
    ("training/stage.py", "package"): "what brings a data set",
    ("data/datasets.py", "train"): "a part of a data set",
    ("tools.py", "simulate"): "what pip installs beside the package",
    ("tools.py", "synth"): "what pip installs beside the package",
    ("finn_backend/specialize_kernels.py", "hls"): "FINN's word for one of its back ends",
}


def _words() -> Mapping[str, set[str]]:
    """Kinds of stages and fields of facts, with the rooms that they belong to.

    A field of one word ("images") may be anything's; where it is a fact's it is read as an
    attribute, because facts are typed.
    """
    common = {field.name for field in dataclasses.fields(Artifact)}
    words: dict[str, set[str]] = {}
    for stage in STAGES.values():
        room = stage.facts.__module__.split(".")[1]
        names = {field.name for field in dataclasses.fields(stage.facts) if "_" in field.name}
        for word in {stage.kind, *names} - common:
            words.setdefault(word, set()).add(room)
    return words


def _looked_up(tree: ast.AST) -> Iterator[ast.expr]:
    """What is looked up, or compared with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            yield node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("get", "pop", "setdefault"):
                yield from node.args[:1]
        elif isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                yield from side.elts if isinstance(side, ast.Tuple | ast.Set) else (side,)
        elif isinstance(node, ast.MatchValue):
            yield node.value


def _named(tree: ast.AST) -> Iterator[ast.expr]:
    """Steps of paths, and what is given to calls; the command line declares names of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield node.right
        elif isinstance(node, ast.Call) and ast.unparse(node.func) != "click.argument":
            yield from node.args


def strings_of_others(source: str, room: str, words: Mapping[str, set[str]]) -> Iterator[str]:
    """Words of other rooms that a module looks up or compares with, and kinds that it names."""
    tree = ast.parse(source)
    looked_up = dict.fromkeys(_looked_up(tree), True)
    for node, any_word in (dict.fromkeys(_named(tree), False) | looked_up).items():
        word: Any = node.value if isinstance(node, ast.Constant) else None
        elsewhere = isinstance(word, str) and room not in words.get(word, {room})
        if elsewhere and (any_word or word in STAGES):
            yield word


def test_no_room_knows_another_by_a_string() -> None:
    words = _words()
    found = {
        (path.relative_to(PACKAGE).as_posix(), word)
        for path in PACKAGE.rglob("*.py")
        for word in strings_of_others(
            path.read_text(encoding="utf-8"),
            path.relative_to(PACKAGE).parts[0].removesuffix(".py"),
            words,
        )
    }
    assert found <= {*_OTHERS}, sorted(found - {*_OTHERS})
    assert {*_OTHERS} <= found


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ('facts["test_accuracy"]', "test_accuracy"),
        ('stages["synth"].artifact', "synth"),
        ('facts.get("gate_level")', "gate_level"),
        ('artifact.kind == "train"', "train"),
        ('name in ("export", "x")', "export"),
        ('build / "export" / name', "export"),
        ('watched(verb, "deploy", out)', "deploy"),
        ('match kind:\n    case "rtl":\n        pass', "rtl"),
    ],
)
def test_a_string_of_another_room_is_found(source: str, word: str) -> None:
    words = _words()
    assert list(strings_of_others(source, "cache", words)) == [word]
    (home, *_) = words[word]
    assert list(strings_of_others(source, home, words)) == []
