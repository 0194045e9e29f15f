"""A serial line: `uart_device`, in the frames that `links.frames` makes."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bnnedge.design import Design
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.families import Board
from bnnedge.families.placed import FpgaBoard
from bnnedge.links.base import MOST, SV_FOLDER, Device, check_range
from bnnedge.links.frames import FRAME_OVERHEAD_BYTES, PROTOCOL_VERSION
from bnnedge.names import check_network_name

TOP_MODULE = "uart_device"
MODULES = (
    "crc16",
    "uart_rx",
    "uart_tx",
    "frame_buffer",
    "frame_receiver",
    "frame_sender",
    TOP_MODULE,
)
"""SystemVerilog files of the device, in compile order."""
QUIET_MS = 50.0
_MOST_BYTES = 65535  # frame_sender tells lengths in 16 bits
_MIN_CLOCKS_PER_BIT = 8  # uart_rx samples no finer
_MAX_BAUD_ERROR = 0.015  # half of what one end may be off
_LINE_BITS = 10  # of a byte, with start and stop bit


@dataclass(frozen=True, kw_only=True)
class UartOptions:
    """What a board's file says.

    Attributes:
        baud: where the user names none.
    """

    baud: int

    def __post_init__(self) -> None:
        check_range("baud", self.baud, 300, MOST)


@dataclass(frozen=True, kw_only=True)
class UartDevice(Device):
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

    interface = "uart"
    options = UartOptions
    roles = MappingProxyType({"rx": "rx_i", "tx": "tx_o"})
    activity = ("rx", "tx")
    top = TOP_MODULE

    board: str
    loader_board: str
    clock_hz: int
    clocks_per_bit: int
    baud: int
    quiet_ms: float
    window: int
    id_word: int

    def __post_init__(self) -> None:
        check_network_name(self.board, what="board", raises=ConfigError)
        check_network_name(self.loader_board, what="loader_board", raises=ConfigError)
        for field in ("clock_hz", "clocks_per_bit", "baud"):
            check_range(field, getattr(self, field), 1, MOST)
        check_range("quiet_ms", self.quiet_ms, 0, 1e6)
        check_range("window", self.window, 1, 64)
        check_range("id_word", self.id_word, 0, (1 << 32) - 1)

    @classmethod
    def plan(
        cls, board: Board, *, clock_hz: int, id_word: int, baud: int | None, window: int
    ) -> "UartDevice":
        """See the base class; raises SynthesisError where the clock is no multiple of the rate."""
        assert isinstance(board, FpgaBoard)
        options = board.links[cls.interface]
        assert isinstance(options, UartOptions)
        baud = baud or options.baud
        clocks_per_bit = max(1, round(clock_hz / baud))
        error = abs(clock_hz / clocks_per_bit / baud - 1)
        if clocks_per_bit < _MIN_CLOCKS_PER_BIT or error > _MAX_BAUD_ERROR:
            raise SynthesisError(
                f"baud: wanted a divisor of {clock_hz} Hz (within {_MAX_BAUD_ERROR:.1%}) that is at"
                f" least {_MIN_CLOCKS_PER_BIT}, got {baud}",
                remedy="choose another --baud or --clock-mhz",
            )
        return cls(
            board=board.name,
            loader_board=board.loader_board,
            clock_hz=clock_hz,
            clocks_per_bit=clocks_per_bit,
            baud=baud,
            quiet_ms=QUIET_MS,
            window=window,
            id_word=id_word,
        )

    @classmethod
    def require_frame(cls, what: str, size_bytes: int) -> None:
        """See the base class."""
        if size_bytes > _MOST_BYTES:
            raise SynthesisError(
                f"{what} is {size_bytes} bytes, the serial line's frames hold {_MOST_BYTES}",
                remedy="take smaller images, or fewer bits of each pixel",
            )

    @property
    def timeout_clocks(self) -> int:
        """`quiet_ms` in clock cycles."""
        return round(self.clock_hz * self.quiet_ms / 1000)

    @classmethod
    def sources(cls, design: Design) -> tuple[Path, ...]:
        """See the base class."""
        return tuple(SV_FOLDER / f"{module}.sv" for module in MODULES)

    def parameters(self, design: Design) -> dict[str, int]:
        """See the base class."""
        return {
            "ClocksPerBit": self.clocks_per_bit,
            "TimeoutClocks": self.timeout_clocks,
            "Window": self.window,
            "InputWidth": design.input_width_bits,
            "InputBeats": design.input_beats,
            "OutputWidth": design.output_width_bits,
            "OutputBeats": design.output_beats,
        }

    def manifest(self, design: Design) -> dict[str, Any]:
        """See the base class."""
        return {
            "interface": self.interface,
            "protocol_version": PROTOCOL_VERSION,
            "clocks_per_bit": self.clocks_per_bit,
            "baud": self.baud,
            "quiet_ms": self.quiet_ms,
            "window": self.window,
        }

    def images_per_second(self, design: Design) -> dict[str, float]:
        """The line is full duplex, so the longer frame counts."""
        image = design.input_beats * design.input_width_bits // 8
        result = design.output_beats * design.output_width_bits // 8
        line_bits = _LINE_BITS * (FRAME_OVERHEAD_BYTES + max(image, result))
        return {"serial_line": round(self.clock_hz / self.clocks_per_bit / line_bits, 1)}

    @property
    def title(self) -> str:
        """See the base class."""
        return f"UART, {self.baud:,} baud"
