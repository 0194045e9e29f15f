"""Bitstreams that are read back, single changes of their text, and whether these have an effect."""

import dataclasses
import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bnnedge import tools
from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.errors import BnnEdgeError
from bnnedge.families.placed import NETLIST_JSON, ROUTED_JSON, FpgaBoard
from bnnedge.readback import readers
from bnnedge.readback.ecp5 import read_netlist
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal
from bnnedge.readback.readers import ReadBack
from bnnedge.readback.trellis import Configuration, Device, Tile, TileKind
from bnnedge.readback.unpack import empty_configuration, unpack
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.facts import SynthesisFacts
from bnnedge.synthesis.flow import synthesise

_OF_A_MEMORY, _ANYWHERE = 0.2, 0.1
_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A bitstream that was read back, and what it was compared with.

    Attributes:
        configuration: what the bitstream says.
        base: what one without a design says.
        board: that it is for.
        device: the board's.
        synthesised: Yosys' JSON.
        routed: nextpnr's JSON.
    """

    configuration: Configuration
    base: Configuration
    board: FpgaBoard
    device: Device
    synthesised: Mapping[str, Any]
    routed: Mapping[str, Any]

    def read(self, configuration: Configuration) -> ReadBack:
        netlist, fabric = read_netlist(configuration, self.base, self.board, self.device)
        return ReadBack(netlist=netlist, fabric=fabric)

    def compare(self, configuration: Configuration | None = None) -> Mapping[str, int]:
        """Compare the bitstream, or another one, with the netlist and its routes."""
        found = self.read(configuration or self.configuration)
        return found.compare(self.synthesised, self.routed)

    def fault(self, configuration: Configuration) -> str | None:
        """What is said of another bitstream; None: nothing is wrong with it."""
        try:
            self.compare(configuration)
        except BnnEdgeError as error:
            return str(error)
        return None

    def with_tile(self, name: str, tile: Tile) -> Configuration:
        tiles = {**self.configuration.tiles, name: tile}
        return dataclasses.replace(self.configuration, tiles=tiles)

    def with_setting(self, name: str, what: str, setting: str, value: str) -> Configuration:
        """Another value of an arc, enum or word of a tile; "": none is said."""
        return self.with_tile(name, changed(self.configuration.tiles[name], what, setting, value))

    def with_memory_bit(self, number: int, place: int, bit: int) -> Configuration:
        """Another bit of a nine-bit word of a block RAM."""
        words = list(self.configuration.memories[number])
        words[place] ^= 1 << bit
        memories = {**self.configuration.memories, number: tuple(words)}
        return dataclasses.replace(self.configuration, memories=memories)

    def site(self, name: str) -> tuple[str, str]:
        """The tile of logic in which a cell is, and its part of that."""
        attributes = self.routed["modules"]["top"]["cells"][name]["attributes"]
        column, row, part = attributes["NEXTPNR_BEL"].split("/")
        return f"R{row[1:]}C{column[1:]}:PLC2", part


@dataclass(frozen=True, kw_only=True)
class Made(Placed):
    """One that the flow has made.

    Attributes:
        artifact: that has it.
    """

    artifact: Artifact[SynthesisFacts]


# ---- small netlists


def cell(kind: str, outputs: str, parameters: Mapping[str, str], **pins: Any) -> Any:
    """A cell of a netlist of Yosys' (JSON)."""
    return {
        "type": kind,
        "parameters": parameters,
        "attributes": {},
        "port_directions": {pin: "output" if pin == outputs else "input" for pin in pins},
        "connections": {
            pin: bits if isinstance(bits, list) else [bits] for pin, bits in pins.items()
        },
    }


def lut(init: int, **pins: Any) -> Any:
    return cell("LUT4", "Z", {"INIT": f"{init:016b}"}, **pins)


def register(clock: int, data: int, out: int) -> Any:
    """A flip-flop that is always on."""
    settings = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR"}
    settings |= {"REGSET": "RESET", "SRMODE": "LSR_OVER_CE"}
    return cell("TRELLIS_FF", "Q", settings, CE="1", CLK=clock, DI=data, LSR="0", Q=out)


def document(cells: Mapping[str, Any], ports: Mapping[str, tuple[str, list[int | str]]]) -> Any:
    """A netlist of Yosys' (JSON): cells, and directions and bits of ports."""
    declared = {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()}
    top = {"attributes": {"top": "1"}, "ports": declared, "cells": cells, "netnames": {}}
    return {"modules": {"top": top}}


def place(netlist: Any, work: Path) -> Placed:
    """Make a bitstream of a netlist for a board, without the flow."""
    board = find_board("ulx3s-25f")
    assert isinstance(board, FpgaBoard)
    base = empty_configuration(board, work, work / "log")
    (work / NETLIST_JSON).write_text(json.dumps(netlist))
    (work / board.family.constraints).write_text(board.family.constraints_text(board))
    family, bitstream = board.family, "placed.bit"
    for tool, arguments in (
        (family.place_tool, family.place_arguments(board, seed=1)),
        (family.pack_tool, family.pack_arguments(bitstream)),
    ):
        tools.run([tools.find(tool), *arguments], cwd=work, log=work / "log", timeout_s=100.0)
    return Placed(
        configuration=unpack(work / bitstream, work, work / "log"),
        base=base,
        board=board,
        device=Device(board.device),
        synthesised=netlist,
        routed=json.loads((work / ROUTED_JSON).read_text()),
    )


# ---- of the flow


def make(rtl: Path, config: SynthesisConfig, out: Path, **options: Any) -> Made:
    """Make a bitstream of an RTL folder, and keep what its comparison saw."""
    seen: dict[str, Any] = {}

    def read(
        configuration: Configuration, base: Configuration, board: FpgaBoard, device: Device
    ) -> Any:
        seen.update(configuration=configuration, base=base, board=board, device=device)
        return read_netlist(configuration, base, board, device)

    compare = ReadBack.compare

    def compared(found: ReadBack, synthesised: Any, routed: Any) -> Mapping[str, int]:
        seen.update(synthesised=synthesised, routed=routed)
        return compare(found, synthesised, routed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "read_netlist", read)
        patch.setattr(ReadBack, "compare", compared)
        artifact = synthesise(rtl, config, out, **options)
    return Made(artifact=artifact, **seen)


# ---- changes


def mutants(made: Placed, seed: int) -> Iterator[tuple[str, Configuration]]:
    """Changes of one bit, of a tile or of a block RAM, or of one setting to another one.

    Tiles are drawn by how much is said of them; a tenth of the bits is anywhere on the device.
    """
    chance = random.Random(seed)
    configuration, everywhere = made.configuration, sorted(made.device.kinds)
    tiles = sorted(configuration.tiles)
    weights = [len(list(configuration.tiles[name].entries)) for name in tiles]
    while True:
        if configuration.memories and chance.random() < _OF_A_MEMORY:
            number = chance.choice(sorted(configuration.memories))
            place = chance.randrange(len(configuration.memories[number]))
            bit = chance.randrange(_DIGITS)
            what = f"memory {number} word {place} bit {bit}"
            yield what, made.with_memory_bit(number, place, bit)
            continue
        (name,) = chance.choices(tiles, weights)
        change = _another_bit if chance.random() < 0.5 else _another_setting
        if change is _another_bit and chance.random() < _ANYWHERE:
            name = chance.choice(everywhere)
        tile, kind = configuration.tiles.get(name, Tile()), made.device.kind(name)
        what, other = change(kind, tile, chance)
        if bits_of(kind, other) != bits_of(kind, tile):
            yield f"{name} {what}", made.with_tile(name, other)


def _another_bit(kind: TileKind, tile: Tile, chance: random.Random) -> tuple[str, Tile]:
    """One that is set, or one that the database has a meaning for."""
    bits = sorted(chance.choice([bits_of(kind, tile), known(kind)]))
    if not bits:
        return "", tile
    bit = chance.choice(bits)
    return f"bit {bit}", flipped(kind, tile, {bit})


def _another_setting(kind: TileKind, tile: Tile, chance: random.Random) -> tuple[str, Tile]:
    """One multiplexer with another source, or one enum with another value, or none."""
    settings = [("arc", name) for name in tile.arcs] + [("enum", name) for name in tile.enums]
    if not settings:
        return "", tile
    what, name = chance.choice(settings)
    values = tile.arcs if what == "arc" else tile.enums
    possible = sorted({*(kind.arcs if what == "arc" else kind.enums)[name]} - {values[name]})
    other = chance.choice([*possible, ""])
    return f"{what} {name} {values[name]} -> {other}", changed(tile, what, name, other)


def changed(tile: Tile, what: str, setting: str, value: str) -> Tile:
    """A tile with another value of an arc, enum or word; "": none is said."""
    field = f"{what}s"
    values = {**getattr(tile, field), setting: value}
    kept = {key: each for key, each in values.items() if each}
    return Tile(**{**vars(tile), field: kept})


def bits_of(kind: TileKind, tile: Tile) -> frozenset[str]:
    """All bits of a tile that are set."""
    return frozenset().union(*map(kind.bits, tile.entries))


def known(kind: TileKind) -> frozenset[str]:
    """All bits of a kind of tile that the database has a meaning for."""
    arcs = (bits for sources in kind.arcs.values() for bits in sources.values())
    enums = (a | b for values in kind.enums.values() for a, b in values.values())
    words = (bits for places in kind.words.values() for bits, _ in places)
    return frozenset().union(*arcs, *enums, *words)


def flipped(kind: TileKind, tile: Tile, others: Set[str]) -> Tile:
    """What ecpunpack says of a tile with some bits more, or less.

    Settings with these bits are decoded anew, as Project Trellis does it (libtrellis,
    BitDatabase.cpp): the source with the most bits; the value with the most bits, the last one of
    equals, which is not said if its bits are those of the default. What no setting explains
    is an unknown bit.
    """
    bits = bits_of(kind, tile) ^ others
    arcs, words, enums = dict(tile.arcs), dict(tile.words), dict(tile.enums)
    for sink, sources in kind.arcs.items():
        if any(others & own for own in sources.values()):
            found = [(len(own), source) for source, own in sources.items() if own and own <= bits]
            arcs[sink] = max(found)[1] if found else ""
    for name, places in kind.words.items():
        if any(others & own for own, _ in places):
            digits = ["01"[(own <= bits) != inverse] for own, inverse in places]
            words[name] = "".join(reversed(digits))
    for name, values in kind.enums.items():
        if any(others & (present | absent) for present, absent in values.values()):
            enums[name] = _decoded(kind, name, bits)
    decoded = Tile(
        arcs={sink: source for sink, source in arcs.items() if source},
        words=words,
        enums={name: value for name, value in enums.items() if value},
    )
    explained = bits_of(kind, decoded)
    assert explained <= bits
    return dataclasses.replace(decoded, unknown=bits - explained)


def _decoded(kind: TileKind, name: str, bits: frozenset[str]) -> str:
    values, default = kind.enums[name], kind.defaults.get(name)
    found = [
        (len(present | absent), value)
        for value, (present, absent) in values.items()
        if present <= bits and not absent & bits
    ]
    if not found:
        return "_NONE_" if default else ""
    best = max(found)[1]
    return "" if default and values[best] == values[default] else best


# ---- whether one can have an effect


def without_effect(before: Netlist, after: Netlist) -> bool:
    """Whether something was read differently, and nothing of it has an effect, by exhaustion.

    Every cell that differs must give the same at every output that is read, for all values of its
    drivers. Equal netlists are no explanation: then a bit was read that stands for nothing.
    """
    if (before.inputs, before.outputs) != (after.inputs, after.outputs):
        return False
    if before == after or before.cells.keys() != after.cells.keys():
        return False
    read = {net[:2] for net in (*before.signals, *after.signals) if isinstance(net, Net)}
    return all(
        cell == after.cells[site] or _same(site, cell, after.cells[site], read)
        for site, cell in before.cells.items()
    )


def _same(site: str, one: Cell, other: Cell, read: set[tuple[str, str]]) -> bool:
    if one.kind != other.kind or one.kind not in _OUTPUTS:
        return False
    ports = [port for port in _OUTPUTS[one.kind] if (site, port) in read]
    pins = (*one.inputs.items(), *other.inputs.items())
    drivers = list({_driver(*pin): None for pin in pins if not isinstance(pin[1], bool)})
    for levels in itertools.product((False, True), repeat=len(drivers)):
        level = dict(zip(drivers, levels, strict=True))
        first, second = _values(one, level), _values(other, level)
        if any(first[port] != second[port] for port in ports):
            return False
    return True


_OUTPUTS = {
    **dict.fromkeys(("LUT4", "PFUMX", "L6MUX21"), ("Z",)),
    "CCU2C": ("S0", "S1", "COUT"),
}


def _driver(pin: str, signal: Signal) -> object:
    """What gives a pin its level: a net, or, where it is not known, the pin itself."""
    return signal[:2] if isinstance(signal, Net) else pin


def _values(cell: Cell, level: Mapping[object, bool]) -> Mapping[str, bool]:
    """The outputs of a cell, by Lattice's description of it, not by the reader's."""
    pins = {
        pin: signal
        if isinstance(signal, bool)
        else level[_driver(pin, signal)] ^ (isinstance(signal, Net) and signal.inverted)
        for pin, signal in cell.inputs.items()
    }

    def table(init: object, names: Sequence[str]) -> bool:
        assert isinstance(init, int)
        return bool(init >> sum(pins[name] << place for place, name in enumerate(names)) & 1)

    if cell.kind == "LUT4":
        return {"Z": table(cell.parameters["INIT"], "ABCD")}
    if cell.kind == "PFUMX":
        return {"Z": pins["ALUT"] if pins["C0"] else pins["BLUT"]}
    if cell.kind == "L6MUX21":
        return {"Z": pins["D1"] if pins["SD"] else pins["D0"]}
    carry, found = pins["CIN"], {}
    for half in "01":
        init, injects = cell.parameters[f"INIT{half}"], cell.parameters[f"INJECT1_{half}"] == "YES"
        four = table(init, [f"{pin}{half}" for pin in "ABCD"])
        two = table(init, [f"{pin}{half}" for pin in "AB"])
        found[f"S{half}"] = four ^ (carry and not injects)
        carry = carry if four else two and not injects
    return found | {"COUT": carry}
