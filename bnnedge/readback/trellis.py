"""The tile database of Project Trellis, which comes with nextpnr: what the bits of an ECP5 mean.

A tile has a kind; `bits.db` of a kind says which bits choose the source of each multiplexer, which
make up each word and each value of an enum, and which wires are joined for good. Names of wires in
it are relative to the tile ("E1_JC4": that of the column to the right); a `Node` is absolute. How
names become places follows Project Trellis' routing graph (libtrellis, RoutingGraph.cpp).
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.errors import SynthesisError
from bnnedge.files import load_json

Node = tuple[int, int, str]
"""Row, column, wire; global wires that are everywhere are at (0, 0)."""
Entry = tuple[str, str, str]
"""Of a tile: "arc", sink, source; "word" or "enum", name, value; "unknown", bit, ""."""

_RELATIVE = re.compile(r"(?:([NS])(\d+))?(?:([EW])(\d+))?_(.+)")
_OF_A_CHIP = re.compile(r"(25K|45K|85K)_(.+)")
_POSITION = re.compile(r"R(\d+)C(\d+)")
_CHIPS = {"12F": "25K", "25F": "25K", "45F": "45K", "85F": "85K"}
_TEST_SITE = "_CIBTEST"  # a site for the factory, beside the block that drives the same wire
_NO_VALUE = "_NONE_"  # ecpunpack's, of bits that are no value of an enum; others cover them
_EVERYWHERE = re.compile(r"G_(?!.*(?:HPBX|VPTX|HPRX))")


@dataclass(frozen=True, kw_only=True)
class TileKind:
    """What the bits of a kind of tile mean.

    Attributes:
        joined: pairs (sink, source) that no bit chooses.
        arcs: the bits that are set for a source of a sink.
        enums: by name and value the bits that are set, and those that are not.
        words: bits by name, from the least significant one.
        defaults: values that are not written.
    """

    joined: Sequence[tuple[str, str]]
    arcs: Mapping[str, Mapping[str, frozenset[str]]]
    enums: Mapping[str, Mapping[str, tuple[frozenset[str], frozenset[str]]]]
    words: Mapping[str, Sequence[tuple[frozenset[str], bool]]]
    defaults: Mapping[str, str]

    def bits(self, entry: Entry) -> frozenset[str]:
        """The bits that are set for an entry.

        Raises:
            SynthesisError: there is no such setting.
        """
        what, name, value = entry
        try:
            if what == "arc":
                return self.arcs[name][value]
            if what == "enum":
                return frozenset() if value == _NO_VALUE else self.enums[name][value][0]
            if what == "word":
                return self._word_bits(name, value)
            return frozenset({name})
        except (KeyError, IndexError):
            raise SynthesisError(
                f"bitstream: {what} {name} {value} is not in the database of this kind of tile"
            ) from None

    def _word_bits(self, name: str, value: str) -> frozenset[str]:
        found: set[str] = set()
        for (bits, inverted), digit in zip(self.words[name], reversed(value), strict=True):
            if (digit == "1") != inverted:
                found |= bits
        return frozenset(found)

    def values(self, name: str, bits: frozenset[str]) -> set[str]:
        """The values of an enum that such a set of bits may stand for."""
        return {
            value
            for value, (present, absent) in self.enums[name].items()
            if present <= bits and not absent & bits
        }


def read_kind(text: str) -> TileKind:
    """What `bits.db` of a kind says."""
    joined: list[tuple[str, str]] = []
    arcs: dict[str, dict[str, frozenset[str]]] = {}
    enums: dict[str, dict[str, tuple[frozenset[str], frozenset[str]]]] = {}
    words: dict[str, list[tuple[frozenset[str], bool]]] = {}
    defaults: dict[str, str] = {}
    kind = name = ""
    for line in text.splitlines():
        first, *rest = line.split() or [""]
        if first in (".mux", ".config", ".config_enum"):
            kind, name = first, rest[0]
            defaults.update({name: rest[1]} if len(rest) > 1 else {})
        elif first == ".fixed_conn":
            if not rest[1].endswith(_TEST_SITE):
                joined.append((rest[0], rest[1]))
        elif not first or first.startswith("#"):
            continue
        elif kind == ".mux":
            present, _ = _bits(rest)
            if rest == ["-"]:
                joined.append((name, first))
            arcs.setdefault(name, {})[first] = present
        elif kind == ".config_enum":
            enums.setdefault(name, {})[first] = _bits(rest)
        else:
            present, absent = _bits([first, *rest])
            words.setdefault(name, []).append((present | absent, bool(absent)))
    return TileKind(joined=joined, arcs=arcs, enums=enums, words=words, defaults=defaults)


def _bits(words: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Those that are set and those that are not, of what one line says."""
    named = [word for word in words if word != "-"]
    absent = frozenset(word[1:] for word in named if word.startswith("!"))
    return frozenset(word for word in named if not word.startswith("!")), absent


class Device:
    """One FPGA: its tiles, its pins and its clock network.

    Args:
        name: e.g. "LFE5U-85F".

    Raises:
        SynthesisError: the database does not know it.
        ToolMissingError: it is not installed.
    """

    def __init__(self, name: str) -> None:
        root = tools.trellis_database()
        if not (root / name).is_dir() or name[-3:] not in _CHIPS:
            raise SynthesisError(f"bitstream: it is for {name}, which the tile database has not")
        self.name = name
        self._root, self._chip = root, _CHIPS[name[-3:]]
        grid: Mapping[str, Any] = load_json(root / name / "tilegrid.json")
        self.globals: Mapping[str, Any] = load_json(root / name / "globals.json")
        self.packages: Mapping[str, Any] = load_json(root / name / "iodb.json")
        self.kinds: dict[str, str] = {tile: record["type"] for tile, record in grid.items()}
        self.places: dict[str, tuple[int, int]] = {}
        self.tiles: dict[tuple[int, int], list[str]] = {}
        for tile in grid:
            place = _POSITION.search(tile)
            if place:
                self.places[tile] = (int(place[1]), int(place[2]))
                self.tiles.setdefault(self.places[tile], []).append(tile)

    def kind(self, tile: str) -> TileKind:
        """Of a tile.

        Raises:
            SynthesisError: there is none of this name.
        """
        if tile not in self.kinds:
            raise SynthesisError(f"bitstream: tile {tile} is not one of {self.name}")
        return _kind(self._root, self.kinds[tile])

    def tile(self, row: int, column: int, *kinds: str) -> str | None:
        """The tile at a place that is of one of these kinds."""
        found = self.tiles.get((row, column), [])
        return next((tile for tile in found if self.kinds[tile] in kinds), None)

    def node(self, tile: str, wire: str) -> Node | None:
        """What a tile calls by this name; None: it is another chip's."""
        own = _OF_A_CHIP.fullmatch(wire)
        if own:
            if own[1] != self._chip:
                return None
            wire = own[2]
        row, column = self.places[tile]
        if _EVERYWHERE.match(wire):
            return 0, 0, wire
        down, right, name = _offset(wire)
        return row + down, column + right, name

    def joined(self, node: Node) -> set[Node]:
        """What a node is joined to for good, as a sink."""
        found: set[Node] = set()
        row, column, wire = node
        for kind, down, right, source in self._joined_to.get(wire, ()):
            for tile in self._tiles_of(kind, row - down, column - right, wire):
                placed = self.node(tile, source)
                if placed is not None:
                    found.add(placed)
        return found

    def _tiles_of(self, kind: str, row: int, column: int, wire: str) -> Iterator[str]:
        if _EVERYWHERE.match(wire):
            yield from (tile for tile in self._by_kind.get(kind, ()) if tile in self.places)
        else:
            tiles = self.tiles.get((row, column), ())
            yield from (tile for tile in tiles if self.kinds[tile] == kind)

    @functools.cached_property
    def _by_kind(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for tile, kind in self.kinds.items():
            found.setdefault(kind, []).append(tile)
        return found

    @functools.cached_property
    def _joined_to(self) -> Mapping[str, list[tuple[str, int, int, str]]]:
        """By the wire of a sink: kinds of tiles, where it is seen from there, and its source."""
        found: dict[str, list[tuple[str, int, int, str]]] = {}
        for kind in self._by_kind:
            for sink, source in _kind(self._root, kind).joined:
                own = _OF_A_CHIP.fullmatch(sink)
                if own and own[1] != self._chip:
                    continue
                wire = own[2] if own else sink
                down, right, name = (0, 0, wire) if _EVERYWHERE.match(wire) else _offset(wire)
                found.setdefault(name, []).append((kind, down, right, source))
        return found


def _offset(wire: str) -> tuple[int, int, str]:
    """Rows down, columns to the right, and the name there."""
    if wire[:2] in ("G_", "L_", "R_"):
        return 0, 0, wire
    relative = _RELATIVE.fullmatch(wire)
    if not relative or not (relative[1] or relative[3]):
        return 0, 0, wire
    down = int(relative[2] or 0) * (-1 if relative[1] == "N" else 1)
    right = int(relative[4] or 0) * (-1 if relative[3] == "W" else 1)
    return down, right, relative[5]


@functools.cache
def _kind(root: Path, name: str) -> TileKind:
    path = root / "tiledata" / name / "bits.db"
    return read_kind(path.read_text(encoding="utf-8") if path.is_file() else "")


@dataclass(frozen=True)
class Tile:
    """What a text configuration says of a tile; one value a name."""

    arcs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    enums: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    @property
    def entries(self) -> Iterator[Entry]:
        """Everything that it says."""
        yield from (("arc", sink, source) for sink, source in self.arcs.items())
        yield from (("word", name, value) for name, value in self.words.items())
        yield from (("enum", name, value) for name, value in self.enums.items())
        yield from (("unknown", bit, "") for bit in self.unknown)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a bitstream says, in the words of the database.

    Attributes:
        device: name of the FPGA.
        tiles: by name.
        memories: nine-bit words of block RAMs, by their number.
    """

    device: str
    tiles: Mapping[str, Tile]
    memories: Mapping[int, tuple[int, ...]]


def read_configuration(text: str) -> Configuration:
    """Interpret the text configuration that ecpunpack or nextpnr-ecp5 writes.

    Raises:
        SynthesisError: a line is not understood, or something is said twice.
    """
    device = ""
    tiles: dict[str, Tile] = {}
    memories: dict[int, list[int]] = {}
    tile: Tile | None = None
    words: list[int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case [] | [".comment" | ".sysconfig", *_]:
                continue
            case [".device", name]:
                device = name
            case [".tile", name] if name not in tiles:
                tile, words = Tile(unknown=frozenset()), None
                tiles[name] = tile
            case [".bram_init", index] if index.isdecimal() and int(index) not in memories:
                tile, words = None, memories.setdefault(int(index), [])
            case ["arc:", sink, source] if tile and sink not in tile.arcs:
                _put(tile.arcs, sink, source)
            case ["word:", name, value] if tile and name not in tile.words:
                _put(tile.words, name, value)
            case ["enum:", name, value] if tile and name not in tile.enums:
                _put(tile.enums, name, value)
            case ["unknown:", bit] if tile:
                name = next(reversed(tiles))
                tile = dataclasses.replace(tile, unknown=tile.unknown | {bit})
                tiles[name] = tile
            case values if words is not None and all(map(_IS_WORD, values)):
                words.extend(int(value, 16) for value in values)
            case _:
                raise SynthesisError(f"bitstream: line {number} of its text: {line.strip()[:80]}")
    return Configuration(
        device=device,
        tiles=tiles,
        memories={index: tuple(values) for index, values in memories.items()},
    )


_IS_WORD = re.compile(r"[01][0-9a-f]{2}").fullmatch


def _put(values: Mapping[str, str], name: str, value: str) -> None:
    assert isinstance(values, dict)
    values[name] = value
