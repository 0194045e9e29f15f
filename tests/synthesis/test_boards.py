"""Boards: every file is complete, constraints and clocks follow from it."""

import pytest

from bnnedge.boards import find_board, known_boards
from bnnedge.errors import SynthesisError
from bnnedge.families import FAMILIES
from bnnedge.families.placed import FpgaBoard, Pin, Pull
from bnnedge.families.xilinx import ProcessingSystem, ZynqBoard


def test_known_boards_are_listed_by_name() -> None:
    lattice = ["ice40-hx8k", "ulx3s-25f", "ulx3s-45f", "ulx3s-85f"]
    zynq = ["aup-zu3", "kv260", "pynq-z1", "pynq-z2", "ultra96v2", "zcu104"]
    zynq += [f"{board}-z7-{size}" for board in ("arty", "zybo") for size in (10, 20)]
    assert list(known_boards()) == sorted([*zynq, *lattice])


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(SynthesisError) as caught:
        find_board("ulx4m")
    assert str(caught.value) == (
        "board 'ulx4m' is unknown — choose one of arty-z7-10, arty-z7-20, aup-zu3, ice40-hx8k,"
        " kv260, pynq-z1, pynq-z2, ultra96v2, ulx3s-25f, ulx3s-45f, ulx3s-85f, zcu104, zybo-z7-10,"
        " zybo-z7-20, or name a file of your own (*.toml)"
    )


@pytest.mark.parametrize("name", ["ulx3s-25f", "ulx3s-45f", "ulx3s-85f"])
def test_ecp5_board_names_existing_sources_and_its_clock_pin(name: str) -> None:
    board = find_board(name)
    assert isinstance(board, FpgaBoard)
    assert board.port("clk") in board.ports
    assert board.family.place_arguments(board, seed=1)[0] == f"--{name[-3:-1]}k"
    assert board.device == f"LFE5U-{name[-3:].upper()}"


@pytest.mark.smoke
def test_ulx3s_pins_are_the_boards_own() -> None:
    """As in github.com/emard/ulx3s, doc/constraints/ulx3s_v20.lpf."""
    board = find_board("ulx3s-85f")
    assert isinstance(board, FpgaBoard)
    assert {port: pin.site for port, pin in board.ports.items()} == {
        "clk_25mhz": "G2",
        "ftdi_rxd": "L4",
        "ftdi_txd": "M1",
        "wifi_gpio0": "L2",
        "led[0]": "B2",
        "led[1]": "C2",
        "led[2]": "C1",
    }


def test_zynq_boards_have_the_devices_totals() -> None:
    board = find_board("pynq-z1")
    assert isinstance(board, ZynqBoard)
    assert (board.family.name, board.family.ps) == ("xc7", ProcessingSystem.PS7)
    assert (board.device, board.part) == ("XC7Z020", "xc7z020clg400-1")
    assert board.totals == {
        "lut": 53200,
        "ff": 106400,
        "carry4": 13300,
        "bram36": 140,
        "dsp": 220,
    }


@pytest.mark.parametrize("size", [10, 20])
@pytest.mark.parametrize(
    ("name", "crystal", "memory_mib"), [("arty-z7", 50, 512), ("zybo-z7", 33.333333, 1024)]
)
def test_digilents_boards(name: str, crystal: float, memory_mib: int, size: int) -> None:
    """As in github.com/Digilent/vivado-boards; totals as in DS190."""
    board = find_board(f"{name}-{size}")
    assert isinstance(board, ZynqBoard)
    assert (board.family.name, board.family.ps) == ("xc7", ProcessingSystem.PS7)
    assert (board.device, board.part) == (f"XC7Z0{size}", f"xc7z0{size}clg400-1")
    assert board.ps_properties["PCW_CRYSTAL_PERIPHERAL_FREQMHZ"] == crystal
    assert board.memory_mib == memory_mib
    assert board.totals["lut"] == {10: 17_600, 20: 53_200}[size] == 4 * board.totals["carry4"]
    assert board.totals["ff"] == 2 * board.totals["lut"]


@pytest.mark.parametrize(
    ("name", "part", "luts"),
    [
        ("zcu104", "xczu7ev-ffvc1156-2-e", 230_400),
        ("kv260", "xck26-sfvc784-2LV-c", 117_120),
        ("ultra96v2", "xczu3eg-sbva484-1-i", 70_560),
        ("aup-zu3", "xczu3eg-sfvc784-2-e", 70_560),
    ],
)
def test_ultrascale_boards(name: str, part: str, luts: int) -> None:
    board = find_board(name)
    assert isinstance(board, ZynqBoard)
    assert (board.family.name, board.family.ps) == ("xcup", ProcessingSystem.PSU)
    assert (board.part, board.totals["lut"]) == (part, luts)
    assert board.totals["ff"] == 2 * luts and board.totals["carry8"] == luts // 8


def test_constraint_file_text() -> None:
    board = FpgaBoard(
        name="b",
        family=FAMILIES["ecp5"],
        device="LFE5U-25F",
        package="CABGA381",
        speed_grade=6,
        clock_input_mhz=12.5,
        default_clock_mhz=50.0,
        loader_board="b",
        links={},
        pins={
            "clk": (Pin(site="G2"),),
            "led": (Pin(site="B2", pull=Pull.UP, drive_ma=4), Pin(site="C2")),
        },
    )
    assert board.family.constraints_text(board) == (
        "BLOCK RESETPATHS;\n"
        "BLOCK ASYNCPATHS;\n"
        'FREQUENCY PORT "clk_in" 12.500000 MHZ;\n'
        'LOCATE COMP "clk_in" SITE "G2";\n'
        'IOBUF PORT "clk_in" IO_TYPE=LVCMOS33 PULLMODE=NONE;\n'
        'LOCATE COMP "led[0]" SITE "B2";\n'
        'IOBUF PORT "led[0]" IO_TYPE=LVCMOS33 PULLMODE=UP DRIVE=4;\n'
        'LOCATE COMP "led[1]" SITE "C2";\n'
        'IOBUF PORT "led[1]" IO_TYPE=LVCMOS33 PULLMODE=NONE;\n'
    )
