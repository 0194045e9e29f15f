"""The wires of a bitstream against those that nextpnr routed: each one from where it was routed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.readback.fabric import Fabric, text_of
from bnnedge.readback.reader import SLICES, logic_tile
from bnnedge.readback.trellis import Node

_WIRE = re.compile(r"X(\d+)/Y(\d+)/(.+)")
_STEP = re.compile(r"X(\d+)/Y(\d+)/(-?\d+)_(-?\d+)_(.+)->-?\d+_-?\d+_.+")
_TABLE = re.compile(r"F([0-7])_SLICE")
_TABLE_PIN = re.compile(r"[ABCD][0-7]_SLICE")


def compare_routes(fabric: Fabric, routed: Mapping[str, Any]) -> Mapping[str, int]:
    """Compare every wire that nextpnr has used, and every one that a cell reads.

    The pins of a lookup table are permuted by the router, and are left to the comparison of what
    the tables compute.

    Args:
        fabric: the bitstream's wires.
        routed: nextpnr's JSON.

    Returns:
        How many were compared.

    Raises:
        MismatchError: names the first wire that comes from elsewhere.
    """
    top = max(routed["modules"].values(), key=lambda module: len(module["cells"]))
    routes = dict(_routes(top))
    wires = 0
    for sink, source in routes.items():
        if source is None or _TABLE_PIN.fullmatch(sink[2]):
            continue
        found = fabric.source_of(sink)
        if found not in (source, _sum(fabric, source)):
            got = "nothing" if found is None else text_of(found)
            raise MismatchError(
                f"bitstream differs from the routed design: {text_of(sink)}: wanted"
                f" {text_of(source)}, got {got}"
            )
        wires += 1
    for sink in fabric.read - routes.keys():
        raise MismatchError(f"bitstream has a wire that was not routed: {text_of(sink)}")
    return {"wires as routed": wires, "choices of wires": len(fabric.read)}


def _sum(fabric: Fabric, source: Node) -> Node:
    """The wire by which a table's output leaves in a carry cell; nextpnr has one name for both."""
    row, column, wire = source
    table = _TABLE.fullmatch(wire)
    if table is None:
        return source
    name, half = SLICES[int(table[1]) // 2], int(table[1]) % 2
    if fabric.enum(logic_tile(row, column), f"SLICE{name}.MODE") != "CCU2":
        return source
    return row, column, f"F{'5X'[half]}{name}_SLICE"


def _routes(top: Mapping[str, Any]) -> Iterator[tuple[Node, Node | None]]:
    """Every wire in use, with what was chosen to drive it; None: a cell."""
    for net in top["netnames"].values():
        words = net["attributes"].get("ROUTING", "").split(";")
        for wire, step in zip(words[::3], words[1::3], strict=False):
            at, by = _WIRE.fullmatch(wire), _STEP.fullmatch(step)
            if at is None or (step and by is None):
                raise SynthesisError(f"routed design: wire {wire[:40]} {step[:60]}")
            source = None
            if by is not None:
                source = int(by[2]) + int(by[4]), int(by[1]) + int(by[3]), by[5]
            yield (int(at[2]), int(at[1]), at[3]), source
