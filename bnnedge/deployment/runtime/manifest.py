"""What `manifest.json` says of a package, and the files that it vouches for."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from .errors import PackageError
from .files import is_inside, read_inside
from .record import Record, require_integer

MANIFEST_FILE = "manifest.json"
PACKAGE_FORMAT = "bnnedge-package"
PACKAGE_VERSION = 4
_MOST_MANIFEST_BYTES = 1 << 23
_MOST_FILE_BYTES = 1 << 28
_MOST_INPUTS = 1 << 31
_MOST_CLASSES = 1 << 16
_LONGEST_S = 600.0  # that an image may take in the network


@dataclass(frozen=True)
class Manifest(ABC):
    """What `manifest.json` says of any device. A driver has a class of its own for its link.

    Attributes:
        interface: name of the link.
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
        class_names: by class; empty where they are only numbered.
        files: sha256 by path relative to the package.
    """

    interface: ClassVar[str]

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
    class_names: tuple[str, ...]
    files: dict[str, str]

    @classmethod
    @abstractmethod
    def read(cls, record: Record, device: Record) -> Manifest:
        """From the whole record and its part about the device. Raises ValueError."""

    @property
    @abstractmethod
    def loader(self) -> str | None:
        """openFPGALoader's name for the board; None: its driver loads the bitstream itself."""

    @property
    @abstractmethod
    def bound_images_per_s(self) -> float:
        """Images/s that network and connection allow."""

    @classmethod
    def load(cls, package: str | Path) -> Manifest:
        """Read the manifest; what it is depends on the device's link.

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
            kinds = Manifest.__subclasses__()
            for kind in kinds:  # one may build on another
                kinds += kind.__subclasses__()
            links = {kind.interface: kind for kind in kinds}
            interface = device.text("interface")
            if interface not in links:
                raise ValueError(
                    f"device.interface: wanted {' or '.join(links)}, got {interface!r}"
                )
            return links[interface].read(record, device)
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


def read_common(record: Record, device: Record, most_bytes: int) -> dict[str, Any]:
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
        "class_names": _read_names(result),
    }


def _read_names(result: Record) -> tuple[str, ...]:
    if "class_names" not in result:
        return ()
    names = result.items("class_names", 1, _MOST_CLASSES)
    for name in names:
        if type(name) is not str or not 0 < len(name) < 256 or not name.isprintable():
            raise ValueError(f"output.class_names: {name!r:.80} is no short printable text")
    return tuple(names)


def _read_files(record: Record) -> dict[str, str]:
    files = {}
    for name, value in record.entries():
        if not is_inside(name):
            raise ValueError(f"files: {name!r:.80} is not inside the package")
        if type(value) is not str or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ValueError(f"files: the sha256 of {name} is none")
        files[name] = value
    return files


def _one_of(record: Record, key: str, values: tuple[int, ...]) -> int:
    value = record.integer(key, min(values), max(values))
    if value not in values:
        raise ValueError(f"{key}: wanted one of {values}, got {value}")
    return value
