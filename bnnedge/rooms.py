"""What a room of bnnedge stands on, by its imports, and the digest of all these sources.

A room is a package or a module right below bnnedge, or a folder of files in one.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import bnnedge

SAYING = {"findings"}
"""What is said of artifacts, but changes no byte of one."""


@functools.cache
def source_digest(rooms: tuple[str, ...]) -> str:
    """sha256 over the sources of rooms and of what they stand on."""
    root = Path(bnnedge.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for room in stands_on(rooms) for path in _files(root, room)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def stands_on(rooms: tuple[str, ...]) -> frozenset[str]:
    """The rooms that these import, directly or through others, and they themselves."""
    root = Path(bnnedge.__file__).parent
    found: set[str] = set()
    waiting = [*rooms, "__init__"]
    while waiting:
        room = waiting.pop()
        if room not in found | SAYING:
            found.add(room)
            waiting += _imported(root, room)
    return frozenset(found)


@functools.cache
def _imported(root: Path, room: str) -> frozenset[str]:
    """The rooms that a room imports, also inside of functions, but not for types alone."""
    return frozenset(
        name
        for path in _files(root, room)
        if path.suffix == ".py"
        for node in _executed(ast.parse(path.read_bytes()))
        for name in _rooms_of(root, node)
    )


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not for_types:
            yield child
            yield from _executed(child)


def _rooms_of(root: Path, node: ast.AST) -> Iterator[str]:
    modules: list[str] = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module == bnnedge.__name__:
        modules = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        modules = [node.module]
    for module in modules:
        package, _, inner = module.partition(".")
        room = inner.partition(".")[0]
        if package == bnnedge.__name__ and any(_files(root, room)):
            yield room


def _files(root: Path, room: str) -> Iterator[Path]:
    if room and (root / room).is_dir():
        found = (root / room).rglob("*")
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
    elif (root / f"{room}.py").is_file():
        yield root / f"{room}.py"
