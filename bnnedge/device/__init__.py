"""The devices around a design in a bitstream, serial or AXI: sources, parameters, records."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from bnnedge.config import structure
from bnnedge.design import Design
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.files import load_json
from bnnedge.names import check_network_name

DEVICE_FILE = "device.json"
SV_FOLDER = Path(__file__).parent / "sv"
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
"""SystemVerilog files of the serial device, in compile order; tops of boards stand beside them."""
AXI_TOP_MODULE = "bnnedge_axi"
AXI_MAP_VERSION = 0x424E4E01  # what the register VERSION reads as
_AXI_FILES = ("axi_registers.sv", f"{AXI_TOP_MODULE}.v")
_KERNELS = Path(__file__).parents[1] / "hardware" / "sv"
_CONVERTER_FILES = ("stream_contract.sv", "stream_width_converter.sv")
_MOST_DMA_BITS = 1024  # a stream of AMD's AXI DMA (PG021)
_MOST = 10**10  # Hz, and what divides them


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

    def __post_init__(self) -> None:
        check_network_name(self.board, what="board", raises=ConfigError)
        check_network_name(self.loader_board, what="loader_board", raises=ConfigError)
        for field in ("clock_hz", "clocks_per_bit", "baud"):
            _check_range(field, getattr(self, field), 1, _MOST)
        _check_range("quiet_ms", self.quiet_ms, 0, 1e6)
        _check_range("window", self.window, 1, 64)
        _check_range("id_word", self.id_word, 0, (1 << 32) - 1)

    def save(self, folder: Path) -> None:
        """Write `device.json` into `folder`."""
        (folder / DEVICE_FILE).write_text(
            json.dumps(dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8"
        )

    @property
    def timeout_clocks(self) -> int:
        """`quiet_ms` in clock cycles."""
        return round(self.clock_hz * self.quiet_ms / 1000)

    @classmethod
    def load(cls, folder: Path) -> "Device":
        """Read `device.json`.

        Raises:
            SynthesisError: it is missing or damaged, or of another kind of device.
        """
        device = load_device(folder)
        if not isinstance(device, cls):
            raise SynthesisError(f"{folder} holds no serial device, but one for {device.board}")
        return device


def _check_range(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{field}: wanted {least} to {most:,}, got {value}")


def device_parameters(
    design: Design, *, clocks_per_bit: int, timeout_clocks: int, window: int
) -> dict[str, int]:
    """Parameters of `uart_device` around `design`, which every board's top passes on."""
    return {
        "ClocksPerBit": clocks_per_bit,
        "TimeoutClocks": timeout_clocks,
        "Window": window,
        "InputWidth": design.input_width_bits,
        "InputBeats": design.input_beats,
        "OutputWidth": design.output_width_bits,
        "OutputBeats": design.output_beats,
    }


@dataclass(frozen=True, kw_only=True)
class AxiDevice:
    """An AXI device as it is in a bitstream, behind an AXI DMA.

    Attributes:
        board: its name.
        clock_hz: clock of network, streams and registers.
        id_word: what the register ID reads as.
    """

    board: str
    clock_hz: int
    id_word: int

    def __post_init__(self) -> None:
        check_network_name(self.board, what="board", raises=ConfigError)
        _check_range("clock_hz", self.clock_hz, 1, _MOST)
        _check_range("id_word", self.id_word, 0, (1 << 32) - 1)

    def save(self, folder: Path) -> None:
        """Write `device.json` into `folder`."""
        record = {"interface": "axi", **dataclasses.asdict(self)}
        (folder / DEVICE_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def load_device(folder: Path) -> Device | AxiDevice:
    """Read the `device.json` of either device.

    Raises:
        SynthesisError: it is missing or damaged.
    """
    path = folder / DEVICE_FILE
    try:
        record = load_json(path)
        if isinstance(record, dict) and record.pop("interface", None) == "axi":
            return structure(record, AxiDevice, source=str(path))
        return structure(record, Device, source=str(path))
    except ConfigError as error:
        raise SynthesisError(
            f"{folder} does not hold a bitstream: {error}", remedy="run bnnedge synth again"
        ) from error


def axi_sources(design: Design) -> tuple[Path, ...]:
    """Files of `bnnedge_axi`, in compile order, beyond those of `design` itself."""
    wide = max(design.input_width_bits, design.output_width_bits) > _MOST_DMA_BITS
    own = {Path(name).name for name in design.sources}
    converter = [_KERNELS / name for name in _CONVERTER_FILES if wide and name not in own]
    return (*converter, *(SV_FOLDER / name for name in _AXI_FILES))


def axi_parameters(design: Design) -> dict[str, int]:
    """Parameters of `bnnedge_axi` around `design`."""
    in_width = min(design.input_width_bits, _MOST_DMA_BITS)
    out_width = min(design.output_width_bits, _MOST_DMA_BITS)
    return {
        "IN_WIDTH": in_width,
        "OUT_WIDTH": out_width,
        "IN_BEATS": design.input_beats * design.input_width_bits // in_width,
        "OUT_BEATS": design.output_beats * design.output_width_bits // out_width,
        "CORE_IN_WIDTH": design.input_width_bits,
        "CORE_OUT_WIDTH": design.output_width_bits,
        "ID_WORD": design.id_word,
    }
