"""Boards: read from `boards/*.toml`, one file per family of boards, one name per variant."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from bnnedge.errors import SynthesisError

BOARD_FOLDER = Path(__file__).parent / "boards"


class Family(Enum):
    """FPGA families; `XC7` is estimated only."""

    ECP5 = "ecp5"
    XC7 = "xc7"


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
class Xc7Board:
    """A board for which Yosys estimates resources; nothing is placed, routed or timed.

    Attributes:
        name: what users call it, e.g. "pynq-z1".
        device: FPGA.
        totals: what the device has: lut, ff, carry4, bram36, dsp.
    """

    name: str
    device: str
    totals: Mapping[str, int]


Board = Ecp5Board | Xc7Board


def known_boards() -> dict[str, Board]:
    """Every board by name, in alphabetical order."""
    boards: dict[str, Board] = {}
    for path in sorted(BOARD_FOLDER.glob("*.toml")):
        record = tomllib.loads(path.read_text())
        family = Family(record.pop("family"))
        for name, variant in record.pop("boards").items():
            build = _ecp5 if family is Family.ECP5 else Xc7Board
            boards[name] = build(name=name, **record, **variant)
    return dict(sorted(boards.items()))


def find_board(name: str) -> Board:
    """The board called `name`.

    Raises:
        SynthesisError: there is none; lists the known ones.
    """
    boards = known_boards()
    if name not in boards:
        raise SynthesisError(
            f"board {name!r} is unknown", remedy=f"choose one of {', '.join(boards)}"
        )
    return boards[name]


def _ecp5(*, pins: Mapping[str, Mapping[str, Any]], **rest: Any) -> Ecp5Board:
    return Ecp5Board(pins=tuple(Pin(port=port, **pin) for port, pin in pins.items()), **rest)


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
