"""What `manifest.json` says of a package, and the files that it vouches for."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import PackageError
from .files import is_inside, read_inside
from .record import Record, require_integer

MANIFEST_FILE = "manifest.json"
PACKAGE_FORMAT = "bnnedge-package"
PACKAGE_VERSION = 4
FRAME_OVERHEAD_BYTES = 4  # letter, tag and CRC around an image or a result
_MOST_MANIFEST_BYTES = 1 << 23
_MOST_FILE_BYTES = 1 << 28
_MOST_IMAGE_BYTES = (1 << 26) - 1  # what a DMA moves at a time
_MOST_IMAGE_SERIAL_BYTES = (1 << 16) - 1  # the device's identity has 16 bits for it
_MOST_INPUTS = 1 << 31
_LONGEST_S = 600.0  # that an image may take in the network
_MOST_BAUD_ERROR = 0.05  # of a UART, after which its stop bit is missed


@dataclass(frozen=True)
class Manifest(ABC):
    """What `manifest.json` says of any device.

    Attributes:
        network: the original network's name.
        board: the board that the bitstream is for.
        bitstream: path of the bitstream's file relative to the package.
        id_word: 32 bits that the device shows.
        clock_hz: clock of the network and of the device.
        interval_cycles: clock cycles between images in the network's steady state.
        latency_cycles: about what an image takes through an idle network.
        input_shape: of one input, without the batch.
        input_elements: F, elements of one encoded input.
        input_element_bits: 1, or 8 or 16 for integers.
        input_bytes: bytes sent per image, padding included.
        output_elements: results per image.
        output_element_bits: 8, 16 or 32 bits for each.
        output_signed: accumulators are two's complement, classes are unsigned.
        output_bytes: bytes received per image.
        output_ranges: the least and the greatest value of each result, or of all of them.
        output_step: distance of a result's values, counted from the least one.
        hardware_classes: the device sends classes, not accumulators.
        host_classes: the network's results are classes, found here from the accumulators.
        files: sha256 by path relative to the package.
    """

    network: str
    board: str
    bitstream: str
    id_word: int
    clock_hz: int
    interval_cycles: int
    latency_cycles: int
    input_shape: tuple[int, ...]
    input_elements: int
    input_element_bits: int
    input_bytes: int
    output_elements: int
    output_element_bits: int
    output_signed: bool
    output_bytes: int
    output_ranges: tuple[tuple[int, int], ...]
    output_step: int
    hardware_classes: bool
    host_classes: bool
    files: dict[str, str]

    @property
    @abstractmethod
    def bound_images_per_s(self) -> float:
        """Images/s that network and connection allow."""

    @classmethod
    def load(cls, package: str | Path) -> SerialManifest | AxiManifest:
        """Read the manifest.

        Raises:
            PackageError: it is missing, damaged, contradicts itself, or is of another version.
        """
        path = Path(package) / MANIFEST_FILE
        try:
            record = Record.parse(read_inside(Path(package), MANIFEST_FILE, _MOST_MANIFEST_BYTES))
            found = (record.text("format"), record.integer("version", 0, 1 << 31))
            if found != (PACKAGE_FORMAT, PACKAGE_VERSION):
                raise PackageError(
                    f"{path}: wanted {PACKAGE_FORMAT} version {PACKAGE_VERSION},"
                    f" got {found[0]} version {found[1]}; make the package again"
                )
            device = record.record("device")
            interface = device.text("interface")
            if interface not in ("uart", "axi"):
                raise ValueError(f"device.interface: wanted uart or axi, got {interface!r}")
            read = _read_axi if interface == "axi" else _read_serial
            return read(record, device)
        except (OSError, ValueError) as error:
            reason = (error.strerror or error) if isinstance(error, OSError) else error
            raise PackageError(
                f"{path} is not a readable manifest ({reason}); make the package again"
            ) from error

    def read_file(self, package: Path, name: str) -> bytes:
        """A packaged file, as it was packaged.

        Raises:
            PackageError: it is not listed here, cannot be read, or is another one.
        """
        if name not in self.files:
            raise PackageError(
                f"{package / name} is not listed in {MANIFEST_FILE}; make the package again"
            )
        try:
            data = read_inside(package, name, _MOST_FILE_BYTES)
        except (OSError, ValueError) as error:
            reason = (error.strerror or error) if isinstance(error, OSError) else error
            raise PackageError(f"{package / name} cannot be read ({reason})") from error
        if hashlib.sha256(data).hexdigest() != self.files[name]:
            raise PackageError(
                f"{package / name} is truncated or was altered (its sha256 differs);"
                " make the package again"
            )
        return data


@dataclass(frozen=True)
class SerialManifest(Manifest):
    """What `manifest.json` says of a device on a serial line.

    Attributes:
        loader_board: what openFPGALoader calls the board.
        protocol_version: of the UART protocol.
        clocks_per_bit: divisor of the UART, fixed in the bitstream.
        baud: what the host sets.
        quiet_ms: silence after which the device forgets a broken frame.
        window: images that may be unanswered at a time.
    """

    loader_board: str
    protocol_version: int
    clocks_per_bit: int
    baud: int
    quiet_ms: float
    window: int

    @property
    def bound_images_per_s(self) -> float:
        """Images/s where the slowest of line in, network, line out never waits; no USB delays."""
        result_clocks = 10 * (FRAME_OVERHEAD_BYTES + self.output_bytes) * self.clocks_per_bit
        return 1 / max(self.image_line_s, max(result_clocks, self.interval_cycles) / self.clock_hz)

    @property
    def image_line_s(self) -> float:
        """Seconds that an image takes on the line."""
        return 10 * (FRAME_OVERHEAD_BYTES + self.input_bytes) / self.baud

    @property
    def image_s(self) -> float:
        """Seconds from an image's first bit to its result's last, with nothing in the way."""
        size = self.input_bytes + self.output_bytes + 2 * FRAME_OVERHEAD_BYTES
        return (10 * self.clocks_per_bit * size + self.latency_cycles) / self.clock_hz


@dataclass(frozen=True)
class AxiManifest(Manifest):
    """What `manifest.json` says of a device behind an AXI DMA.

    Attributes:
        map_version: what the register VERSION reads as.
        input_width_bits: of the stream towards the device.
        output_width_bits: of the stream from it.
    """

    map_version: int
    input_width_bits: int
    output_width_bits: int

    @property
    def bound_images_per_s(self) -> float:
        """Images/s where the slowest of stream in, network, stream out never waits."""
        beats_in = 8 * self.input_bytes // self.input_width_bits
        beats_out = 8 * self.output_bytes // self.output_width_bits
        return self.clock_hz / max(beats_in, beats_out, self.interval_cycles)

    @property
    def handoff(self) -> str:
        """Path of the hardware handoff that belongs to the bitstream."""
        return self.bitstream[: -len(".bit")] + ".hwh"


def _read_common(record: Record, device: Record, most_bytes: int) -> dict[str, Any]:
    """The fields of every manifest. Raises ValueError."""
    given, result = record.record("input"), record.record("output")
    clock_hz = device.integer("clock_hz", 100_000, 10**10)
    most_cycles = int(_LONGEST_S * clock_hz)
    elements = given.integer("elements", 1, 8 * most_bytes)
    bits = _one_of(given, "element_bits", (1, 8, 16))
    input_bytes = given.integer("bytes", 1, most_bytes)
    if elements * bits > 8 * input_bytes:
        raise ValueError(f"{elements} elements of {bits} bits do not fit into {input_bytes} bytes")
    shape = [
        require_integer(size, "input.shape", 1, 1 << 30) for size in given.items("shape", 1, 32)
    ]
    if math.prod(shape) > _MOST_INPUTS:
        raise ValueError(f"input.shape: {shape} are more than {_MOST_INPUTS} inputs")
    common = {
        "network": record.text("network"),
        "board": record.text("board"),
        "bitstream": record.text("bitstream"),
        "id_word": device.word("id_word"),
        "clock_hz": clock_hz,
        "interval_cycles": device.integer("interval_cycles", 1, most_cycles),
        "latency_cycles": device.integer("latency_cycles", 0, most_cycles),
        "input_shape": tuple(shape),
        "input_elements": elements,
        "input_element_bits": bits,
        "input_bytes": input_bytes,
        **_read_output(result, most_bytes),
        "files": _read_files(record.record("files")),
    }
    if not is_inside(common["bitstream"]):
        raise ValueError(f"bitstream: {common['bitstream']!r} is not inside the package")
    return common


def _read_output(result: Record, most_bytes: int) -> dict[str, Any]:
    elements = result.integer("elements", 1, most_bytes)
    bits = _one_of(result, "element_bits", (8, 16, 32))
    output_bytes = result.integer("bytes", 1, most_bytes)
    if elements * bits > 8 * output_bytes:
        raise ValueError(f"{elements} results of {bits} bits do not fit into {output_bytes} bytes")
    signed, step = result.flag("signed"), result.integer("step", 1, 1 << 31)
    hardware, host = result.flag("hardware_classes"), result.flag("host_classes")
    low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    ranges = []
    for pair in result.items("ranges", 1, elements):
        if type(pair) is not list or len(pair) != 2:
            raise ValueError("output.ranges: wanted pairs of integers")
        least = require_integer(pair[0], "output.ranges", low, high)
        ranges.append((least, require_integer(pair[1], "output.ranges", least, high)))
    if len(ranges) not in (1, elements):
        raise ValueError(f"output.ranges: wanted 1 or {elements} pairs, got {len(ranges)}")
    if hardware and (signed or not host):
        raise ValueError("output: classes of the hardware are unsigned, and the network's result")
    return {
        "output_elements": elements,
        "output_element_bits": bits,
        "output_signed": signed,
        "output_bytes": output_bytes,
        "output_ranges": tuple(ranges),
        "output_step": step,
        "hardware_classes": hardware,
        "host_classes": host,
    }


def _read_files(record: Record) -> dict[str, str]:
    files = {}
    for name, value in record.entries():
        if not is_inside(name):
            raise ValueError(f"files: {name!r:.80} is not inside the package")
        if type(value) is not str or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ValueError(f"files: the sha256 of {name} is none")
        files[name] = value
    return files


def _read_serial(record: Record, device: Record) -> SerialManifest:
    common = _read_common(record, device, _MOST_IMAGE_SERIAL_BYTES)
    loader_board = record.text("loader_board")
    if loader_board.startswith("-"):
        raise ValueError(f"loader_board: {loader_board!r} is no board")
    clocks_per_bit = device.integer("clocks_per_bit", 1, 1 << 24)
    baud = device.integer("baud", 300, 1 << 28)
    if abs(baud * clocks_per_bit / common["clock_hz"] - 1) > _MOST_BAUD_ERROR:
        raise ValueError(
            f"device.baud: {baud} is not about {common['clock_hz']} Hz / {clocks_per_bit}"
        )
    return SerialManifest(
        **common,
        loader_board=loader_board,
        protocol_version=device.integer("protocol_version", 0, 255),
        clocks_per_bit=clocks_per_bit,
        baud=baud,
        quiet_ms=device.number("quiet_ms", 1e-3, 1000.0),
        window=device.integer("window", 1, 255),
    )


def _read_axi(record: Record, device: Record) -> AxiManifest:
    common = _read_common(record, device, _MOST_IMAGE_BYTES)
    if not common["bitstream"].endswith(".bit"):
        raise ValueError(f"bitstream: wanted a .bit, got {common['bitstream']!r}")
    widths = {}
    for side in ("input", "output"):
        width = widths[side] = device.integer(f"{side}_width_bits", 8, 1024)
        if width % 8 or 8 * common[f"{side}_bytes"] % width:
            raise ValueError(
                f"device.{side}_width_bits: {common[f'{side}_bytes']} bytes are no whole words of"
                f" {width} bits"
            )
    return AxiManifest(
        **common,
        map_version=device.word("map_version"),
        input_width_bits=widths["input"],
        output_width_bits=widths["output"],
    )


def _one_of(record: Record, key: str, values: tuple[int, ...]) -> int:
    value = record.integer(key, min(values), max(values))
    if value not in values:
        raise ValueError(f"{key}: wanted one of {values}, got {value}")
    return value
