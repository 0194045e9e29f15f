"""The wires of an ECP5 as a bitstream joins them, and the account of which of its bits were read.

Every bit has to be claimed by what it was read for, or be one of the base: what nextpnr sets for
every design of a device, the inputs of unused blocks above all.
"""

import re
from collections.abc import Mapping

from bnnedge.errors import SynthesisError
from bnnedge.readback.trellis import Configuration, Device, Entry, Node, Tile

_TAP = re.compile(r"G_HPBX(\d\d)00")
_COLUMN = re.compile(r"G_VPTX(\d\d)00")
_ROW = re.compile(r"G_HPRX(\d\d)00")
_BUFFER = re.compile(r"G_CLKO_(.DCC\d+)")
# What ecpunpack leaves out, because they are the defaults, has bits of its own.
_QUIET = "SYSCONFIG."
# The database calls these constants 0; routed to what they invert they are seen to be 1.
_ALWAYS_ONE = ("JLSR", "JCLK")
_MOST_HOPS = 2000


class Fabric:
    """A configured device.

    Args:
        device: which it is.
        configuration: what its bitstream says.

    Raises:
        SynthesisError: a wire has two drivers.
    """

    def __init__(self, device: Device, configuration: Configuration) -> None:
        self.device, self.configuration = device, configuration
        self._claimed: dict[str, set[str]] = {}
        self._arcs: dict[Node, tuple[Node, str, str, str]] = {}
        self._ends: dict[Node, tuple[Node, bool]] = {}
        for name, tile in configuration.tiles.items():
            device.kind(name)
            for sink, source in tile.arcs.items():
                here, there = device.node(name, sink), device.node(name, source)
                if here is None or there is None or here in self._arcs:
                    raise SynthesisError(f"bitstream: {name}: {sink} has two drivers, or none")
                self._arcs[here] = (there, name, sink, source)

    # ---- wires

    def end_of(self, node: Node) -> tuple[Node, bool]:
        """Where a wire comes from in the end, and whether by a way that was chosen."""
        passed: list[Node] = []
        chosen = False
        at: Node | None = node
        while at is not None and at not in self._ends:
            if len(passed) > _MOST_HOPS:
                raise SynthesisError(f"bitstream: {text_of(node)} is driven by itself")
            passed.append(at)
            at = self.source_of(at)
        if at is not None:
            end, chosen = self._ends[at]
        else:
            end = passed[-1]
        for each in reversed(passed):
            if each in self._arcs:
                chosen = True
                _, tile, sink, source = self._arcs[each]
                self.claim(tile, ("arc", sink, source))
            self._ends[each] = end, chosen
        return end, chosen

    def source_of(self, node: Node) -> Node | None:
        """What drives a wire right before it; None: nothing, or a cell."""
        if node in self._arcs:
            return self._arcs[node][0]
        if node[2].startswith("G_"):
            near = self._clock_source(node)
            if near is not None:
                return near
        found = self.device.joined(node)
        if len(found) > 1:
            raise SynthesisError(f"bitstream: {text_of(node)} may come from several places")
        return next(iter(found), None)

    @property
    def chosen(self) -> Mapping[Node, Node]:
        """What drives each wire whose driver bits choose."""
        return {sink: source for sink, (source, *_) in self._arcs.items()}

    @property
    def read(self) -> set[Node]:
        """Of these wires, those that lead to a cell. (Some bits mean a choice and a mode.)"""
        return self._arcs.keys() & self._ends.keys()

    def _clock_source(self, node: Node) -> Node | None:
        """One step of the clock network, from a tile back to its centre."""
        row, column, wire = node
        grid = self.device.globals
        if near := _TAP.fullmatch(wire):
            for name, tap in grid["taps"].items():
                for side in "LR":
                    if tap[f"{side.lower()}x0"] <= column <= tap[f"{side.lower()}x1"]:
                        return row, int(name[1:]), f"{side}_HPBX{near[1]}00"
        if (near := _COLUMN.fullmatch(wire)) or (near := _ROW.fullmatch(wire)):
            quadrant = self._quadrant(row, column, wire)
            if wire.startswith("G_HPRX"):
                return 0, 0, f"G_{quadrant}PCLK{int(near[1])}"
            spine = grid["spines"].get(f"{quadrant}{column}")
            place = None if spine is None else (spine["y"], spine["x"])
            return None if place in (None, (row, column)) else (*place, wire)
        if near := _BUFFER.fullmatch(wire):
            end, routed = self.end_of((0, 0, f"G_JCE_{near[1]}"))
            if routed or self.constant(end) is False:
                raise SynthesisError(f"bitstream: clock buffer {near[1]} is not always on")
            return 0, 0, f"G_CLKI_{near[1]}"
        return None

    def _quadrant(self, row: int, column: int, wire: str) -> str:
        for name, area in self.device.globals["quadrants"].items():
            if area["x0"] <= column <= area["x1"] and area["y0"] <= row <= area["y1"]:
                return str(name)
        raise SynthesisError(f"bitstream: {text_of((row, column, wire))} is in no quadrant")

    def constant(self, node: Node) -> bool | None:
        """The level that its tile sets a wire to which nothing drives; None: it is left open."""
        row, column, wire = node
        name = f"CIB.{wire}MUX"
        for tile in self.device.tiles.get((row, column), ()):
            value = self.tile(tile).enums.get(name)
            if value in ("0", "1"):
                self.claim(tile, ("enum", name, value))
                return value == "1" or wire.startswith(_ALWAYS_ONE)
        return None

    # ---- settings

    def tile(self, name: str) -> Tile:
        """What the bitstream says of a tile."""
        return self.configuration.tiles.get(name) or Tile()

    def enum(self, tile: str, name: str, default: str | None = None) -> str:
        """The value of an enum, which is claimed."""
        value = self.tile(tile).enums.get(name)
        if value is not None:
            self.claim(tile, ("enum", name, value))
            return value
        return self.device.kind(tile).defaults[name] if default is None else default

    def word(self, tile: str, name: str) -> str:
        """A word's digits, the most significant first; it is claimed."""
        value = self.tile(tile).words.get(name)
        if value is not None:
            self.claim(tile, ("word", name, value))
            return value
        return self.device.kind(tile).defaults[name]

    def claim(self, tile: str, *entries: Entry) -> None:
        """Say that the bits of entries were read."""
        kind = self.device.kind(tile)
        for entry in entries:
            self.claim_bits(tile, kind.bits(entry))

    def claim_bits(self, tile: str, bits: frozenset[str]) -> None:
        """Say that bits were read."""
        self._claimed.setdefault(tile, set()).update(bits)

    def bits(self, tile: str) -> frozenset[str]:
        """All bits of a tile that are set."""
        return bits_of(self.device, tile, self.tile(tile))

    def require_all_read(self, base: Configuration) -> None:
        """Raise unless every bit was claimed or is the base's, and every one of those is there.

        Raises:
            SynthesisError: names the first bit that is not understood, or missing.
        """
        for name in sorted({*self.configuration.tiles, *base.tiles, *self._claimed}):
            there = self.bits(name)
            expected = bits_of(self.device, name, base.tiles.get(name) or Tile())
            claimed = frozenset(self._claimed.get(name, ()))
            if missing := (claimed | expected) - there:
                raise SynthesisError(f"bitstream: {name}: bit {min(missing)} should be set")
            left = there - claimed - expected
            if left:
                kind, tile = self.device.kind(name), self.tile(name)
                words = [" ".join(e).strip() for e in tile.entries if kind.bits(e) & left]
                raise SynthesisError(
                    f"bitstream: {name}: not understood: {'; '.join(sorted(words)[:3])}"
                )


def bits_of(device: Device, name: str, tile: Tile) -> frozenset[str]:
    """All bits that are set by what is said of a tile."""
    kind = device.kind(name)
    found = frozenset().union(*(kind.bits(entry) for entry in tile.entries))
    quiet = (each for each in kind.enums if each.startswith(_QUIET) and each not in tile.enums)
    return found.union(*(kind.bits(("enum", each, kind.defaults[each])) for each in quiet))


def text_of(node: Node) -> str:
    """A wire in words."""
    return f"wire {node[2]} of row {node[0]}, column {node[1]}"
