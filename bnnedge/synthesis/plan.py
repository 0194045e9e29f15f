"""Planning a device: which clock, PLL and baud rate a design gets on a board."""

from collections.abc import Mapping

from bnnedge.design import Design
from bnnedge.device import Device
from bnnedge.errors import SynthesisError
from bnnedge.synthesis.boards import Ecp5Board
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.pll import Pll, choose_pll

QUIET_MS = 50.0
_MOST_BYTES = 65535  # frame_sender tells lengths in 16 bits
_MIN_CLOCKS_PER_BIT = 8  # uart_rx samples no finer
_MAX_BAUD_ERROR = 0.015  # half of what one end may be off


def plan_device(design: Design, board: Ecp5Board, config: SynthesisConfig) -> tuple[Device, Pll]:
    """The device for `design` on `board`, and the PLL that clocks it.

    Raises:
        SynthesisError: the clock is out of range, or does not divide to the baud rate; or an image
            or a result is longer than a frame of the serial line.
    """
    require_frame("an image", design.input_beats * design.input_width_bits // 8)
    require_frame("a result", design.output_beats * design.output_width_bits // 8)
    baud = config.baud or board.baud
    pll, clocks_per_bit = plan_clock(board, config.clock_mhz or board.default_clock_mhz, baud)
    device = Device(
        board=board.name,
        loader_board=board.loader_board,
        clock_hz=_clock_hz(pll),
        clocks_per_bit=clocks_per_bit,
        baud=baud,
        quiet_ms=QUIET_MS,
        window=config.window,
        id_word=design.id_word,
    )
    return device, pll


def require_frame(what: str, size_bytes: int) -> None:
    """Raise unless a frame of the serial line holds so many bytes.

    Raises:
        SynthesisError: it does not.
    """
    if size_bytes > _MOST_BYTES:
        raise SynthesisError(
            f"{what} is {size_bytes} bytes, the serial line's frames hold {_MOST_BYTES}",
            remedy="take smaller images, or fewer bits of each pixel",
        )


def plan_clock(board: Ecp5Board, wanted_mhz: float, baud: int) -> tuple[Pll, int]:
    """The PLL nearest to the wanted clock, and the cycles of that clock for a bit of the line.

    Raises:
        SynthesisError: the clock is out of range, or does not divide to the baud rate.
    """
    pll = choose_pll(input_mhz=board.clock_input_mhz, wanted_mhz=wanted_mhz)
    clock_hz = _clock_hz(pll)
    clocks_per_bit = max(1, round(clock_hz / baud))
    error = abs(clock_hz / clocks_per_bit / baud - 1)
    if clocks_per_bit < _MIN_CLOCKS_PER_BIT or error > _MAX_BAUD_ERROR:
        raise SynthesisError(
            f"baud: wanted a divisor of {clock_hz} Hz (within {_MAX_BAUD_ERROR:.1%}) that is at"
            f" least {_MIN_CLOCKS_PER_BIT}, got {baud}",
            remedy="choose another --baud or --clock-mhz",
        )
    return pll, clocks_per_bit


def _clock_hz(pll: Pll) -> int:
    return round(pll.output_mhz * 1e6)


def pll_parameters(pll: Pll) -> Mapping[str, int]:
    """Parameters of an ECP5 board's top for its PLL."""
    return {
        "ClkiDiv": pll.input_divisor,
        "ClkfbDiv": pll.feedback_divisor,
        "ClkopDiv": pll.output_divisor,
    }
