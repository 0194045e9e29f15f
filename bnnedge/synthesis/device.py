"""The serial device around a design: its parameters, and the record that the host needs of them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnedge.design import Design
from bnnedge.errors import SynthesisError
from bnnedge.synthesis.boards import Ecp5Board
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.pll import Pll, choose_pll

DEVICE_FILE = "device.json"
SV_FOLDER = Path(__file__).parent / "sv"
QUIET_MS = 50.0
_MIN_CLOCKS_PER_BIT = 8  # uart_rx samples no finer
_MAX_BAUD_ERROR = 0.015  # half of what one end may be off


@dataclass(frozen=True, kw_only=True)
class Device:
    """A serial device as it is in a bitstream.

    Attributes:
        board: its name.
        loader_board: openFPGALoader's name for it.
        clock_hz: clock of network and device.
        clocks_per_bit: divisor of the serial line.
        baud: what the host sets; the line's true rate is clock_hz / clocks_per_bit.
        quiet_ms: silence after which a broken frame is forgotten.
        window: images that may be unanswered at a time.
        id_word: what the device answers to `I`.
    """

    board: str
    loader_board: str
    clock_hz: int
    clocks_per_bit: int
    baud: int
    quiet_ms: float
    window: int
    id_word: int

    def save(self, folder: Path) -> None:
        """Write `device.json` into `folder`."""
        (folder / DEVICE_FILE).write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Device":
        """Read `device.json`.

        Raises:
            SynthesisError: it is missing or damaged.
        """
        try:
            return cls(**json.loads((folder / DEVICE_FILE).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise SynthesisError(
                f"{folder} does not hold a bitstream ({DEVICE_FILE}: {error})",
                remedy="run bnnedge synth again",
            ) from error


def plan_device(design: Design, board: Ecp5Board, config: SynthesisConfig) -> tuple[Device, Pll]:
    """The device for `design` on `board`, and the PLL that clocks it.

    Raises:
        SynthesisError: the clock is out of range, or does not divide to the baud rate.
    """
    wanted_mhz = config.clock_mhz or board.default_clock_mhz
    pll = choose_pll(input_mhz=board.clock_input_mhz, wanted_mhz=wanted_mhz)
    clock_hz = round(pll.output_mhz * 1e6)
    baud = config.baud or board.baud
    clocks_per_bit = max(1, round(clock_hz / baud))
    error = abs(clock_hz / clocks_per_bit / baud - 1)
    if clocks_per_bit < _MIN_CLOCKS_PER_BIT or error > _MAX_BAUD_ERROR:
        raise SynthesisError(
            f"baud: wanted a divisor of {clock_hz} Hz (within {_MAX_BAUD_ERROR:.1%}) that is at"
            f" least {_MIN_CLOCKS_PER_BIT}, got {baud}",
            remedy="choose another --baud or --clock-mhz",
        )
    device = Device(
        board=board.name,
        loader_board=board.loader_board,
        clock_hz=clock_hz,
        clocks_per_bit=clocks_per_bit,
        baud=baud,
        quiet_ms=QUIET_MS,
        window=config.window,
        id_word=design.id_word,
    )
    return device, pll


def device_parameters(design: Design, device: Device) -> dict[str, int]:
    """Parameters of `uart_device`, which every board's top passes on."""
    return {
        "ClocksPerBit": device.clocks_per_bit,
        "TimeoutClocks": round(device.clock_hz * device.quiet_ms / 1000),
        "Window": device.window,
        "InputWidth": design.input_width_bits,
        "InputBeats": design.input_beats,
        "OutputWidth": design.output_width_bits,
        "OutputBeats": design.output_beats,
    }


def pll_parameters(pll: Pll) -> Mapping[str, int]:
    """Parameters of an ECP5 board's top for its PLL."""
    return {
        "ClkiDiv": pll.input_divisor,
        "ClkfbDiv": pll.feedback_divisor,
        "ClkopDiv": pll.output_divisor,
    }
