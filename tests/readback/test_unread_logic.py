"""Logic that no output depends on: it is read back as well, and what is unknown stays an error."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from bnnedge.errors import MismatchError, SynthesisError
from tests.readback.mutations import Placed, cell, document, lut, place, register

CLOCK, RX, KEPT, SHOWN, READ, UNREAD = 2, 3, 4, 5, 6, (7, 8, 9)
PORTS = {
    "clk_25mhz": ("input", [CLOCK]),
    "ftdi_txd": ("input", [RX]),
    "ftdi_rxd": ("output", [READ]),
    "wifi_gpio0": ("output", ["1"]),
    "led": ("output", [SHOWN, KEPT, "0"]),
}


CELLS = {
    "kept": register(CLOCK, RX, KEPT),
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


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    return place(document(CELLS, PORTS), tmp_path_factory.mktemp("placed"))


def of_other(placed: Placed, cells: Mapping[str, Any]) -> Placed:
    """The bitstream beside another netlist."""
    return dataclasses.replace(placed, synthesised=document(cells, PORTS))


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
        placed.compare(placed.with_setting(tile, "word", name, flipped))


def test_a_table_that_nothing_reads_may_be_in_the_bitstream_alone(placed: Placed) -> None:
    without = {name: each for name, each in CELLS.items() if name != "unread"}
    counts = of_other(placed, without).compare()
    assert counts["functions of lookup tables"] == 1


def test_a_state_that_the_netlist_has_not_is_seen(placed: Placed) -> None:
    without = {name: each for name, each in CELLS.items() if name != "ram"}
    without["unread"] = lut(0x8000, A=RX, B=KEPT, C=SHOWN, D="0", Z=READ)
    with pytest.raises(MismatchError, match="is a LUTRAM that the netlist has not"):
        of_other(placed, without).compare()


def test_a_route_that_leads_nowhere_is_not_understood(placed: Placed) -> None:
    tile, _ = placed.site("ram$DPRAM_COMB0")
    with pytest.raises(SynthesisError, match=rf"{tile}: not understood: arc E1_H02E0301 Q1"):
        placed.compare(placed.with_setting(tile, "arc", "E1_H02E0301", "Q1"))
