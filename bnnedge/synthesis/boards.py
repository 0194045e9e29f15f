"""Boards: read from `boards/*.toml`, one file per family of boards, one name per variant."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bnnedge.arguments import did_you_mean
from bnnedge.errors import SynthesisError
from bnnedge.files import read_toml

BOARD_FOLDER = Path(__file__).parent / "boards"


class Family(Enum):
    """FPGA families; those of Xilinx as Yosys calls them."""

    ECP5 = "ecp5"
    XC7 = "xc7"
    XCUP = "xcup"


class ProcessingSystem(Enum):
    """What is beside the logic of a Zynq: that of a Zynq-7000 or of a Zynq UltraScale+."""

    PS7 = "ps7"
    PSU = "psu"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A port of the board's top module.

    Attributes:
        port: its name, with an index where it is a vector's bit.
        site: ball of the package.
        pull: "NONE", "UP" or "DOWN".
        drive_ma: output drive; None for inputs.
    """

    port: str
    site: str
    pull: str
    drive_ma: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ecp5Board:
    """A board whose bitstream the open tools make.

    Attributes:
        name: what users call it, e.g. "ulx3s-85f".
        device: FPGA, e.g. "LFE5U-85F".
        nextpnr: nextpnr-ecp5's option for the device.
        package: of the FPGA.
        speed_grade: of the FPGA.
        top: top module.
        clock_port: port of the oscillator.
        clock_input_mhz: of the oscillator.
        default_clock_mhz: for the network, where the user names none.
        baud: of the serial line.
        loader_board: openFPGALoader's name for the board.
        pins: of the top module.
    """

    name: str
    device: str
    nextpnr: str
    package: str
    speed_grade: int
    top: str
    clock_port: str
    clock_input_mhz: float
    default_clock_mhz: float
    baud: int
    loader_board: str
    pins: tuple[Pin, ...]


@dataclass(frozen=True, kw_only=True)
class ZynqBoard:
    """A board that PYNQ runs on: Yosys estimates its resources, Vivado makes its bitstream.

    Attributes:
        name: what users call it, e.g. "pynq-z1".
        family: of the FPGA.
        device: FPGA, e.g. "XC7Z020".
        part: Vivado's name of it, with package and speed grade.
        ps: its processing system.
        ps_properties: what the processing system is set to, by Vivado's names.
        memory_mib: of the memory from address 0 that the DMA must reach.
        pll_mhz: of the PLL that the running board divides the logic's clock from.
        max_clock_mhz: between processing system and logic.
        default_clock_mhz: for the network, where the user names none.
        totals: what the device has: lut, ff, carry4 or carry8, bram36, dsp.
        target_fps: images/s at the default clock for which named networks fit, by network.
    """

    name: str
    family: Family
    device: str
    part: str
    ps: ProcessingSystem
    ps_properties: Mapping[str, float | str]
    memory_mib: int
    pll_mhz: float
    max_clock_mhz: float
    default_clock_mhz: float
    totals: Mapping[str, int]
    target_fps: Mapping[str, int]


Board = Ecp5Board | ZynqBoard


def known_boards() -> dict[str, Board]:
    """Every board by name, in alphabetical order."""
    boards: dict[str, Board] = {}
    for path in sorted(BOARD_FOLDER.glob("*.toml")):
        record = read_toml(path)
        family = Family(record.pop("family"))
        for name, variant in record.pop("boards").items():
            values = {"name": name, **record, **variant}
            boards[name] = _ecp5(**values) if family is Family.ECP5 else _zynq(family, **values)
    return dict(sorted(boards.items()))


def find_board(name: str) -> Board:
    """The board called `name`.

    Raises:
        SynthesisError: there is none; lists the known ones.
    """
    boards = known_boards()
    if name not in boards:
        raise SynthesisError(
            f"board {name[:80]!r} is unknown{did_you_mean(name, boards)}",
            remedy=f"choose one of {', '.join(boards)}",
        )
    return boards[name]


def _ecp5(*, pins: Mapping[str, Mapping[str, Any]], **rest: Any) -> Ecp5Board:
    return Ecp5Board(pins=tuple(Pin(port=port, **pin) for port, pin in pins.items()), **rest)


def _zynq(family: Family, *, ps: str, **rest: Any) -> ZynqBoard:
    return ZynqBoard(family=family, ps=ProcessingSystem(ps), **rest)


def lpf_text(board: Ecp5Board) -> str:
    """The constraint file for nextpnr-ecp5: the oscillator's frequency and every pin."""
    lines = [
        "BLOCK RESETPATHS;",
        "BLOCK ASYNCPATHS;",
        f'FREQUENCY PORT "{board.clock_port}" {board.clock_input_mhz:.6f} MHZ;',
    ]
    for pin in board.pins:
        drive = "" if pin.drive_ma is None else f" DRIVE={pin.drive_ma}"
        lines.append(f'LOCATE COMP "{pin.port}" SITE "{pin.site}";')
        lines.append(f'IOBUF PORT "{pin.port}" IO_TYPE=LVCMOS33 PULLMODE={pin.pull}{drive};')
    return "\n".join(lines) + "\n"
