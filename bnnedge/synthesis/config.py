"""What the user chooses about a bitstream."""

from dataclasses import dataclass
from pathlib import Path

from bnnedge.boards import known_boards
from bnnedge.errors import SynthesisError
from bnnedge.families import Board
from bnnedge.options import check_bounds, option


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """What a bitstream from elsewhere is said to be; without a board, `device.json` beside it says.

    Attributes:
        board: see `SynthesisConfig`.
        clock_mhz: likewise.
        baud: likewise.
        window: likewise.
        store: likewise.
    """

    board: str | Path | Board | None = option(
        None,
        help="What it is for; where not given, device.json beside the file says all.",
        choices=known_boards,
    )
    clock_mhz: float | None = option(None, help="The board's default where not given.", unit="MHz")
    baud: int | None = option(None, help="Of a serial line; the board's default where not given.")
    window: int = option(4, help="Of a serial line: images that may be unanswered.")
    store: int | None = option(None, help="Images in block RAM.", least=1, most=1 << 20)


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """One run of the synthesis tools.

    Attributes:
        board: its name (`boards.known_boards()` lists them), the path of its file, or itself.
        clock_mhz: clock of the network; None: the board's default. The PLL's nearest is taken.
        baud: of the serial line; None: the board's default.
        window: images that may be unanswered at a time; a power of two from 2 to 64.
        store: images that the device holds in block RAM with their results, so that the rate of
            the network is measured and not that of the line; None: none.
        seed: of the placer. Another one may reach a few MHz more.
        vivado: run Vivado, where it is found, on the project for a Zynq board.
        gate_level_images: hard and random ones for which the placed netlist is compared with the
            Dataflow; 0: no check.
        read_back: read the bitstream back, and compare it with the netlist and, simulated, with
            the Dataflow. None: where there is a reader for the board's family; True: it is an error
            where there is none.
    """

    board: str | Path | Board = option(
        help="Of those that `bnnedge boards` lists, e.g. ulx3s-85f or pynq-z2, or a TOML file.",
        section="hardware",
        choices=known_boards,
    )
    clock_mhz: float | None = option(
        None, help="The board's default where not given.", unit="MHz", section="hardware"
    )
    baud: int | None = option(
        None, help="Of a serial line; the board's default where not given.", section="hardware"
    )
    window: int = option(
        4,
        help="Of a serial line: images that may be unanswered, a power of two to 64.",
        section="hardware",
    )
    store: int | None = option(
        None,
        help="Images in block RAM, with which the device measures the network's own rate.",
        least=1,
        most=1 << 20,
        section="hardware",
    )
    seed: int = option(
        1, help="Of nextpnr's placement.", least=0, most=2**31 - 1, section="hardware"
    )
    vivado: bool = option(
        True,
        help="For a Zynq board: only write the project, also where Vivado is.",
        section="hardware",
    )
    gate_level_images: int = option(
        10,
        help="Images for which a placed netlist is compared; 0: it is not.",
        least=0,
        most=100_000,
        section="hardware",
    )
    read_back: bool | None = option(
        None,
        help="Compare the bitstream, read back, or not; by default, where there is a reader.",
        section="hardware",
    )

    def __post_init__(self) -> None:
        if self.window not in (2, 4, 8, 16, 32, 64):
            raise SynthesisError(f"window: wanted a power of two from 2 to 64, got {self.window}")
        check_bounds(self, SynthesisError)
        if not isinstance(self.board, str | Path | Board):
            raise SynthesisError(f"board: wanted a name, a file or a Board, got {self.board!r}")
        for name in ("clock_mhz", "baud"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise SynthesisError(f"{name}: wanted a positive number, got {value}")
