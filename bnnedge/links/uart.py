"""A serial line: `uart_device`, in the frames that `links.frames` makes."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import index_bits
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.errors import ConfigError, MismatchError, SimulationError, SynthesisError, named
from bnnedge.families import Board
from bnnedge.families.placed import CLOCK_ROLE, FpgaBoard
from bnnedge.links import frames, store
from bnnedge.links.base import MOST, SV_FOLDER, Conversation, Device, check_range
from bnnedge.links.frames import FRAME_OVERHEAD_BYTES, PROTOCOL_VERSION
from bnnedge.links.simulated_serial import SimulatedSerial
from bnnedge.links.store import Measured
from bnnedge.names import check_network_name
from bnnedge.records import later
from bnnedge.verilated.serial import SerialModel, SerialPorts, compile_serial_model

TOP_MODULE = "uart_device"
MODULES = (
    "crc16",
    "uart_rx",
    "uart_tx",
    "frame_buffer",
    "frame_receiver",
    "frame_sender",
    "vector_store",
    TOP_MODULE,
)
"""SystemVerilog files of the device, in compile order."""
QUIET_MS = 50.0
_MOST_BYTES = 65535  # frame_sender tells lengths in 16 bits
_MIN_BAUD = 300
_MIN_CLOCKS_PER_BIT = 8  # uart_rx samples no finer
_MAX_BAUD_ERROR = 0.015  # half of what one end may be off
_LINE_BITS = 10  # of a byte, with start and stop bit
# In simulation nothing delays a reply but the device; the driver's 0.5 s would be 12 M cycles.
_SIMULATED_GRACE_BYTES = 40
_SIMULATED_QUIET_BYTES = 20
_MOST_NARROW_BITS = 256  # of words that frame_buffer may have in LUT RAM
_MOST_STORED = 1 << 20
_LOCK_CLOCKS = 200  # the PLL's model, then the reset's shift register


@dataclass(frozen=True, kw_only=True)
class UartOptions:
    """What a board's file says.

    Attributes:
        baud: where the user names none.
    """

    baud: int

    def __post_init__(self) -> None:
        check_range("baud", self.baud, _MIN_BAUD, MOST)


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
        stored_images: that it holds with their results, to measure the network's own rate; None:
            none.
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
    stored_images: int | None = later()

    def __post_init__(self) -> None:
        check_network_name(self.board, what="board", raises=ConfigError)
        check_network_name(self.loader_board, what="loader_board", raises=ConfigError)
        for field in ("clock_hz", "clocks_per_bit", "baud"):
            check_range(field, getattr(self, field), 1, MOST)
        check_range("quiet_ms", self.quiet_ms, 0, 1e6)
        check_range("window", self.window, 1, 64)
        check_range("id_word", self.id_word, 0, (1 << 32) - 1)
        check_range("stored_images", self.stored_images or 0, 0, _MOST_STORED)

    @classmethod
    def plan(
        cls, board: Board, *, clock_hz: int, id_word: int, baud: int | None, window: int
    ) -> "UartDevice":
        """See the base class; raises SynthesisError where the clock is no multiple of the rate."""
        assert isinstance(board, FpgaBoard)
        options = board.links[cls.interface]
        assert isinstance(options, UartOptions)
        baud = baud or options.baud
        if baud < _MIN_BAUD:
            raise SynthesisError(f"{named('baud')}: wanted {_MIN_BAUD} or more, got {baud}")
        clocks_per_bit = max(1, round(clock_hz / baud))
        error = abs(clock_hz / clocks_per_bit / baud - 1)
        if clocks_per_bit < _MIN_CLOCKS_PER_BIT or error > _MAX_BAUD_ERROR:
            raise SynthesisError(
                f"{named('baud')}: wanted a divisor of {clock_hz} Hz (within {_MAX_BAUD_ERROR:.1%})"
                f" that is at least {_MIN_CLOCKS_PER_BIT}, got {baud}",
                remedy=f"choose another {named('baud')} or {named('clock_mhz')}",
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

    def with_store(self, images: int) -> "UartDevice":
        """See the base class."""
        return dataclasses.replace(self, stored_images=images)

    @property
    def memory_files(self) -> tuple[str, ...]:
        """See the base class."""
        return (store.IMAGE_FILE, store.RESULT_FILE) if self.stored_images else ()

    def memory_texts(self, design: Design, dataflow: Dataflow) -> Mapping[str, str]:
        """See the base class."""
        if not self.stored_images:
            return {}
        before = self._frame_words(design)
        return store.memory_texts(design, dataflow, self.stored_images, before)

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

    def parameters(self, design: Design) -> Mapping[str, int | str]:
        """See the base class."""
        stored: dict[str, int | str] = {
            "StoredImages": self.stored_images or 0,
            "ImageFile": store.IMAGE_FILE,
            "ResultFile": store.RESULT_FILE,
        }
        return {
            "ClocksPerBit": self.clocks_per_bit,
            "TimeoutClocks": self.timeout_clocks,
            "Window": self.window,
            "InputWidth": design.input_width_bits,
            "InputBeats": design.input_beats,
            "OutputWidth": design.output_width_bits,
            "OutputBeats": design.output_beats,
            **(stored if self.stored_images else {}),
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
            **({"stored_images": self.stored_images} if self.stored_images else {}),
        }

    def for_simulation(self, clocks_per_bit: int | None) -> "UartDevice":
        """See the base class."""
        divisor = clocks_per_bit or self.clocks_per_bit
        return dataclasses.replace(
            self,
            clocks_per_bit=divisor,
            # The host's rate may be off the device's divisor a little, and is as it was.
            baud=round(self.clock_hz / divisor) if clocks_per_bit else self.baud,
            quiet_ms=1000 * _SIMULATED_QUIET_BYTES * _LINE_BITS * divisor / self.clock_hz,
        )

    def simulated(
        self, sources: Sequence[Path], folder: Path, design: Design, disturbed: Any = None
    ) -> SimulatedSerial:
        """See the base class; `disturbed` are `LineFaults`."""
        library = compile_serial_model(
            sources=sources,
            top=self.top,
            ports=SerialPorts(),
            parameters=self.parameters(design),
        )
        return SimulatedSerial(
            library,
            data_folder=folder,
            clock_hz=self.clock_hz,
            clocks_per_bit=self.clock_hz / self.baud,
            grace_s=_SIMULATED_GRACE_BYTES * _LINE_BITS * self.clocks_per_bit / self.clock_hz,
            faults=disturbed,
        )

    @contextlib.contextmanager
    def converse(
        self, sources: Sequence[Path], top: str, board: FpgaBoard, rtl: Path, cache: Path | None
    ) -> Iterator[Conversation]:
        """See the base class: at the line's true rate."""
        library = compile_serial_model(
            sources=sources,
            top=top,
            ports=SerialPorts(
                clock=board.port(CLOCK_ROLE),
                receive=board.port("rx"),
                transmit=board.port("tx"),
                reset=None,
            ),
            defines={"NO_INCLUDES": "1"},
            cache=cache,
        )
        with SerialModel(library, clocks_per_bit=self.clocks_per_bit, data_folder=rtl) as line:
            line.wait(_LOCK_CLOCKS)
            yield _Line(line, self, Design.load(rtl))

    def buffer_words(self, design: Design) -> int:
        """See the base class: a power of two that holds a window of images, and the stored ones."""
        return self._frame_words(design) + (self.stored_images or 0) * design.input_beats

    def _frame_words(self, design: Design) -> int:
        return 1 << index_bits(self.window * design.input_beats)

    def in_blocks(self, design: Design) -> bool:
        """See the base class."""
        return bool(self.stored_images) or design.input_width_bits > _MOST_NARROW_BITS

    def stored_results(self, design: Design) -> int:
        """See the base class."""
        return store.result_words(design, self.stored_images) if self.stored_images else 0

    def images_per_second(self, design: Design) -> dict[str, float]:
        """The line is full duplex, so the longer frame counts."""
        image = design.input_beats * design.input_width_bits // 8
        result = design.output_beats * design.output_width_bits // 8
        line_bits = _LINE_BITS * (FRAME_OVERHEAD_BYTES + max(image, result))
        return {"serial_line": round(self.clock_hz / self.clocks_per_bit / line_bits, 1)}

    def readme(self, network: str, bitstream: str) -> str:
        """See the base class."""
        measure = f"""\
5. python -m bnnedge_runtime --port /dev/ttyUSB0 --measure 256
   runs the {self.stored_images} images that the bitstream holds, 256 times, with no line between
   them and the network: the rate of the network itself, every result compared.
"""
        return f"""\
{network} for {self.board}, id {self.id_word:#010x}

On the machine that the board is plugged into (Python 3.8 or later), in this folder.
Not run here: no board was connected when this package was made.
Without a board, `bnnedge deploy PACKAGE --simulate` runs the same driver against a simulation of
the same device.

1. python -m pip install numpy pyserial
2. openFPGALoader -b {self.loader_board} {bitstream}
   The network is lost at power-off; add -f to write it to the board's flash instead. (Some boards
   are always loaded from their flash.)
3. python -m bnnedge_runtime.validate --port /dev/ttyUSB0
   runs the examples in example/ and compares with the expected results.
4. python -m bnnedge_runtime --port /dev/ttyUSB0 --inputs example/inputs.npy --outputs results.npy
   or in Python:
       import bnnedge_runtime
       with bnnedge_runtime.load(port="/dev/ttyUSB0") as accelerator:
           results = accelerator.execute(batch)
           print(accelerator.names(results))  # the class of each image
{measure if self.stored_images else ""}
The line runs at {self.baud} baud, 8N1; the bitstream fixes it.
"Permission denied" on Linux: join the port's group (`sudo usermod -aG dialout $USER`, then log in
again); for openFPGALoader without root, install its 99-openfpgaloader.rules under
/etc/udev/rules.d and run `sudo udevadm control --reload`.
Slow replies from an FTDI bridge on Linux: its driver holds short ones back for 16 ms. As root:
echo 1 > /sys/bus/usb-serial/devices/ttyUSB0/latency_timer
"""

    @property
    def title(self) -> str:
        """See the base class."""
        return f"UART, {self.baud:,} baud"


class _Line(Conversation):
    """Frames over a serial line, one window of images at a time."""

    pins = "serial pin"

    def __init__(self, line: SerialModel, device: UartDevice, design: Design) -> None:
        self._line, self._device, self._design = line, device, design

    @property
    def clocks(self) -> int:
        return self._line.clocks

    def identify(self) -> None:
        self._line.write(frames.IDENTIFY)
        identity = frames.parse_identity(self._read(frames.IDENTITY_BYTES))
        wanted = (self._device.id_word, self._device.window)
        if (identity.id_word, identity.window) != wanted:
            raise MismatchError(
                f"netlist of {self._design.name}: wanted id and window {wanted}, got"
                f" {(identity.id_word, identity.window)}"
            )

    def exchange(self, first: int, images: NDArray[Any]) -> NDArray[np.int64]:
        design, window = self._design, self._device.window
        size = frames.result_frame_bytes(design)
        results = []
        for start in range(0, len(images), window):
            part = range(start, min(start + window, len(images)))
            for index in part:
                self._line.write(frames.image_frame(first + index, design, images[index]))
            results += [frames.parse_result(self._read(size), first + i, design) for i in part]
        return np.array(results)

    def measure(self) -> Measured | None:
        device, design = self._device, self._design
        if not device.stored_images:
            return None
        self._line.write(frames.measure_frame(rounds=1))
        reply = self._read(frames.REPORT_BYTES, images=device.stored_images)
        images, wrong_words, first, last = frames.parse_report(reply)
        if (images, wrong_words) != (device.stored_images, 0):
            raise MismatchError(
                f"netlist of {design.name}: wanted {device.stored_images} right results of its"
                f" stored images, got {images} with {wrong_words} wrong words"
            )
        return Measured(
            images=images,
            wrong_words=wrong_words,
            first_cycles=first,
            last_cycles=last,
            predicted_cycles=design.interval_cycles,
            clock_hz=device.clock_hz,
        )

    def _read(self, size: int, images: int = 0) -> bytes:
        """A reply, allowing for all that may go over the line, and so many images, before it."""
        device, design = self._device, self._design
        frame_bytes = 8 + design.input_beats * design.input_width_bits // 8 + size
        line_clocks = _LINE_BITS * device.clocks_per_bit * frame_bytes * (device.window + 1)
        timeout = line_clocks + 20 * design.interval_cycles * (device.window + 1 + images)
        reply = self._line.read(size, timeout_clocks=timeout)
        if len(reply) < size:
            raise SimulationError(
                f"netlist of {design.name}: wanted a reply of {size} bytes within {timeout} clocks,"
                f" got {len(reply)}: {reply.hex()}"
            )
        return reply
