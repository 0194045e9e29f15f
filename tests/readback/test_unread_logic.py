"""Logic that no output depends on: it is read back as well, and what is unknown stays an error."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from bnnedge import tools
from bnnedge.boards import find_board
from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.families.placed import NETLIST_JSON, ROUTED_JSON, FpgaBoard
from bnnedge.readback.ecp5 import read_netlist
from bnnedge.readback.readers import ReadBack
from bnnedge.readback.trellis import Configuration, Device
from bnnedge.readback.unpack import empty_configuration, unpack

FOUND = find_board("ulx3s-25f")
assert isinstance(FOUND, FpgaBoard)
BOARD = FOUND
CLOCK, RX, KEPT, SHOWN, READ, UNREAD = 2, 3, 4, 5, 6, (7, 8, 9)
PORTS = {
    "clk_25mhz": ("input", [CLOCK]),
    "ftdi_txd": ("input", [RX]),
    "ftdi_rxd": ("output", [READ]),
    "wifi_gpio0": ("output", ["1"]),
    "led": ("output", [SHOWN, KEPT, "0"]),
}


def cell(kind: str, outputs: str, parameters: Mapping[str, str], **pins: Any) -> Any:
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


REGISTER = {"CEMUX": "CE", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET"}
CELLS = {
    "kept": cell(
        "TRELLIS_FF",
        "Q",
        REGISTER | {"SRMODE": "LSR_OVER_CE"},
        CE="1",
        CLK=CLOCK,
        DI=RX,
        LSR="0",
        Q=KEPT,
    ),
    "shown": lut(0x6666, A=RX, B=KEPT, C="0", D="0", Z=SHOWN),
    "ram": cell(  # three of its columns are read by nothing
        "TRELLIS_DPR16X4",
        "DO",
        {"INITVAL": f"{0x123456789ABCDEF0:064b}", "WCKMUX": "WCK", "WREMUX": "WRE"},
        DI=[RX, KEPT, SHOWN, RX],
        RAD=[KEPT, RX, SHOWN, "0"],
        WAD=[RX, KEPT, SHOWN, "0"],
        WRE=KEPT,
        WCK=CLOCK,
        DO=[READ, *UNREAD],
    ),
    "unread": lut(0x8000, A=RX, B=KEPT, C=SHOWN, D=READ, Z=10),
}


def document(cells: Mapping[str, Any]) -> Any:
    ports = {name: {"direction": way, "bits": bits} for name, (way, bits) in PORTS.items()}
    top = {"attributes": {"top": "1"}, "ports": ports, "cells": cells, "netnames": {}}
    return {"modules": {"top": top}}


@dataclasses.dataclass(frozen=True)
class Placed:
    configuration: Configuration
    base: Configuration
    routed: Any

    def compare(
        self, configuration: Configuration | None = None, cells: Mapping[str, Any] = CELLS
    ) -> Mapping[str, int]:
        configuration = configuration or self.configuration
        read = read_netlist(configuration, self.base, BOARD, Device(BOARD.device))
        netlist, fabric = read
        return ReadBack(netlist=netlist, fabric=fabric).compare(document(cells), self.routed)

    def site(self, name: str) -> tuple[str, str]:
        """The tile in which a cell is, and its part of that."""
        attributes = self.routed["modules"]["top"]["cells"][name]["attributes"]
        column, row, part = attributes["NEXTPNR_BEL"].split("/")
        return f"R{row[1:]}C{column[1:]}:PLC2", part

    def changed(self, tile: str, **values: Mapping[str, str]) -> Configuration:
        """The same with other values of some settings of a tile."""
        before = self.configuration.tiles[tile]
        after = {what: {**getattr(before, what), **each} for what, each in values.items()}
        tiles = {**self.configuration.tiles, tile: dataclasses.replace(before, **after)}
        return dataclasses.replace(self.configuration, tiles=tiles)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    work = tmp_path_factory.mktemp("placed")
    base = empty_configuration(BOARD, work, work / "log")
    (work / NETLIST_JSON).write_text(json.dumps(document(CELLS)))
    (work / BOARD.family.constraints).write_text(BOARD.family.constraints_text(BOARD))
    family, bitstream = BOARD.family, "placed.bit"
    for tool, arguments in (
        (family.place_tool, family.place_arguments(BOARD, seed=1)),
        (family.pack_tool, family.pack_arguments(bitstream)),
    ):
        tools.run([tools.find(tool), *arguments], cwd=work, log=work / "log", timeout_s=100.0)
    configuration = unpack(work / bitstream, work, work / "log")
    return Placed(configuration, base, json.loads((work / ROUTED_JSON).read_text()))


def test_what_nothing_reads_is_read_back(placed: Placed) -> None:
    counts = placed.compare()
    assert counts["RAM columns in lookup tables"] == 4
    assert counts["functions of lookup tables"] == 2


def test_a_change_of_a_column_that_nothing_reads_is_seen(placed: Placed) -> None:
    tile, part = placed.site("ram$DPRAM_COMB3")
    name = f"{part}.INIT"
    word = placed.configuration.tiles[tile].words[name]
    flipped = word[:-1] + str(1 - int(word[-1]))
    with pytest.raises(MismatchError, match="ram at .* INIT: wanted"):
        placed.compare(placed.changed(tile, words={name: flipped}))


def test_a_table_that_nothing_reads_may_be_in_the_bitstream_alone(placed: Placed) -> None:
    without = {name: each for name, each in CELLS.items() if name != "unread"}
    counts = placed.compare(cells=without)
    assert counts["functions of lookup tables"] == 1


def test_a_state_that_the_netlist_has_not_is_seen(placed: Placed) -> None:
    without = {name: each for name, each in CELLS.items() if name != "ram"}
    without["unread"] = lut(0x8000, A=RX, B=KEPT, C=SHOWN, D="0", Z=READ)
    with pytest.raises(MismatchError, match="is a LUTRAM that the netlist has not"):
        placed.compare(cells=without)


def test_a_route_that_leads_nowhere_is_not_understood(placed: Placed) -> None:
    tile, _ = placed.site("ram$DPRAM_COMB0")
    with pytest.raises(SynthesisError, match=rf"{tile}: not understood: arc E1_H02E0301 Q1"):
        placed.compare(placed.changed(tile, arcs={"E1_H02E0301": "Q1"}))
