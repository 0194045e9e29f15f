"""Boards: data in TOML files, those beside this module and those that users name by path.

A file says what a board is; keys are the fields of its family's kind of board. Where it is of
several, `[boards]` has a table for each, with what only that one has.
"""

import dataclasses
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bnnedge.arguments import did_you_mean
from bnnedge.config import structure
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.families import FAMILIES, Board
from bnnedge.families.placed import CLOCK_ROLE, VECTORS, FpgaBoard
from bnnedge.files import read_toml
from bnnedge.links import LINKS, Device
from bnnedge.names import shown

ENTRY_POINTS = "bnnedge.boards"
"""Installed packages name boards in this group: a `Board`, or the path of a TOML file."""
BOARDS = Path(__file__).parent
_SUFFIX = ".toml"


def known_boards() -> dict[str, Board]:
    """Every board that comes with bnnedge, by name, in alphabetical order."""
    boards = {
        board.name: board
        for path in sorted(BOARDS.glob(f"*{_SUFFIX}"))
        for board in read_boards(path)
    }
    return dict(sorted(boards.items()))


def find_board(board: str | Path | Board) -> Board:
    """A board, by itself, by the path of its TOML file, or by its name.

    Names are those of `known_boards`, then those that installed packages give.

    Raises:
        SynthesisError: there is none of this name; lists the known ones.
        ConfigError: the file or the board is not what it should be.
    """
    if isinstance(board, Board):
        check_board(board)
        return board
    if is_board_file(board):
        found = list(read_boards(Path(board)))
        if len(found) != 1:
            names = ", ".join(each.name for each in found)
            raise ConfigError(
                f"{board}: wanted one board, got {names or 'none'}",
                remedy="leave one of them in [boards]",
            )
        return found[0]
    known = known_boards()
    if board in known:
        return known[str(board)]
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=str(board)):
        given: str | Path | Board = entry.load()
        return find_board(given)
    raise SynthesisError(
        f"board {str(board)[:80]!r} is unknown{did_you_mean(str(board), known)}",
        remedy=f"choose one of {', '.join(known)}, or name a file of your own (*{_SUFFIX})",
    )


def is_board_file(board: str | Path) -> bool:
    """Whether a board is named by the path of a file."""
    return isinstance(board, Path) or board.endswith(_SUFFIX)


def read_boards(path: Path) -> Iterator[Board]:
    """The boards in a TOML file; a single one is called like the file, if nothing else is said.

    Raises:
        ConfigError: the file is not readable, or a board is not what it should be.
    """
    record = read_toml(path)
    variants = record.pop("boards", {path.stem: {}})
    if not (isinstance(variants, dict) and all(isinstance(v, dict) for v in variants.values())):
        raise ConfigError(f"{path}: boards: wanted a table for each board")
    for name, variant in variants.items():
        yield _board({"name": name, **record, **variant}, str(path))


def _board(record: dict[str, Any], source: str) -> Board:
    name = record.get("family")
    family = FAMILIES.get(name) if isinstance(name, str) else None
    if family is None:
        raise ConfigError(
            f"{source}: family: wanted one of {', '.join(FAMILIES)}, got {shown(str(name))}"
        )
    record = {**record, "family": family}
    if "pins" in record and isinstance(record["pins"], dict):
        pins = record["pins"].items()
        record["pins"] = {role: [pin] if isinstance(pin, dict) else pin for role, pin in pins}
    if "links" in record:
        record["links"] = dict(_links(record["links"], source))
    board = structure(record, family.board_type, source=source)
    try:
        check_board(board)
    except ConfigError as error:
        raise ConfigError.of(error.faults, source=source) from error
    return board


def _links(record: Any, source: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(record, dict):
        raise ConfigError(f"{source}: links: wanted a table")
    for name, options in record.items():
        if name not in LINKS:
            raise ConfigError(
                f"{source}: links: wanted one of {', '.join(LINKS)}, got {shown(name)}"
                f"{did_you_mean(name, LINKS)}"
            )
        yield name, structure(options, LINKS[name].options, source=f"{source}: links.{name}")


def check_board(board: Board) -> None:
    """Check what goes beyond single values: roles and sites of pins, and the links.

    Raises:
        ConfigError: names everything that is wrong.
    """
    faults = []
    if len(board.links) != 1 or not LINKS.keys() >= board.links.keys():
        got = ", ".join(board.links) or "none"
        faults.append(f"links: wanted one of {', '.join(LINKS)}, got {got}")
    elif not isinstance(board, link_of(board).board_type):
        faults.append(f"links: {board.family.title} has no {', '.join(board.links)}")
    elif isinstance(board, FpgaBoard):
        faults += _pin_faults(board)
    if faults:
        raise ConfigError.of(faults)


def link_of(board: Board) -> type[Device]:
    """A board's link."""
    (name,) = board.links
    return LINKS[name]


def _pin_faults(board: FpgaBoard) -> Iterator[str]:
    needed = (CLOCK_ROLE, *link_of(board).roles)
    wanted = (*needed, *VECTORS)
    for role, pins in board.pins.items():
        if role not in wanted:
            near = did_you_mean(role, wanted) or f", wanted one of {', '.join(wanted)}"
            yield f"pins: unknown role {shown(role)}{near}"
        elif not pins or (role in needed and len(pins) > 1):
            yield f"pins.{role}: wanted {'one pin' if role in needed else 'pins'}, got {len(pins)}"
        elif any(pin.net for pin in pins[1:]):
            yield f"pins.{role}: wanted a net at its first pin only: they are a vector"
    for role in needed:
        if role not in board.pins:
            yield f"pins.{role}: is missing"
    for what, values in (
        ("site", [pin.site for pins in board.pins.values() for pin in pins]),
        ("net", [board.port(role) for role, pins in board.pins.items() if pins]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            yield f"pins: wanted a {what} of its own for each, got {', '.join(twice)} twice"


def board_record(board: Board) -> Mapping[str, Any]:
    """A board as plain values, for the record of what was made for it."""
    fields = {field.name: getattr(board, field.name) for field in dataclasses.fields(board)}
    return {**fields, "family": board.family.name}
