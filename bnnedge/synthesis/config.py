"""What the user chooses about a bitstream."""

from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import SynthesisError
from bnnedge.families import Board

_MOST_GATE_LEVEL_IMAGES = 100_000


@dataclass(frozen=True, kw_only=True)
class SynthesisConfig:
    """One run of the synthesis tools.

    Attributes:
        board: its name (`boards.known_boards()` lists them), the path of its file, or itself.
        clock_mhz: clock of the network; None: the board's default. The PLL's nearest is taken.
        baud: of the serial line; None: the board's default.
        window: images that may be unanswered at a time; a power of two from 2 to 64.
        seed: of the placer. Another one may reach a few MHz more.
        vivado: run Vivado, where it is found, on the project for a Zynq board.
        gate_level_images: random images for which the placed netlist is compared with the
            Dataflow; 0: no check.
    """

    board: str | Path | Board
    clock_mhz: float | None = None
    baud: int | None = None
    window: int = 4
    seed: int = 1
    vivado: bool = True
    gate_level_images: int = 10

    def __post_init__(self) -> None:
        if self.window not in (2, 4, 8, 16, 32, 64):
            raise SynthesisError(f"window: wanted a power of two from 2 to 64, got {self.window}")
        for name, most in (("seed", 2**31 - 1), ("gate_level_images", _MOST_GATE_LEVEL_IMAGES)):
            if not 0 <= getattr(self, name) <= most:
                raise SynthesisError(f"{name}: wanted 0 to {most:,}, got {getattr(self, name)}")
        for name in ("clock_mhz", "baud"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise SynthesisError(f"{name}: wanted a positive number, got {value}")
