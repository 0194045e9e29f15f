"""The host's share of the network: package files, input encoding, output decoding. Numpy only."""

from __future__ import annotations

import hashlib
import json
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .encoding import BitEncoding, IntegerEncoding
from .errors import DeviceError, InputError, PackageError

MANIFEST_FILE = "manifest.json"
PACKAGE_FORMAT = "bnnedge-package"
PACKAGE_VERSION = 3
FRAME_OVERHEAD_BYTES = 4  # letter, tag and CRC around an image or a result
# Verified before anything is sent: the host's arithmetic depends on them.
_HOST_FILES = ("dataflow/dataflow.json", "dataflow/weights.npz")


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
    hardware_classes: bool
    host_classes: bool
    files: dict[str, str]

    @property
    @abstractmethod
    def bound_images_per_s(self) -> float:
        """Images/s that network and connection allow."""

    @classmethod
    def load(cls, package: Path) -> SerialManifest | AxiManifest:
        """Read the manifest. Raises PackageError: missing, damaged or of another version."""
        path = package / MANIFEST_FILE
        try:
            record = json.loads(path.read_text())
            found = (record["format"], record["version"])
            if found != (PACKAGE_FORMAT, PACKAGE_VERSION):
                raise PackageError(
                    f"{path}: wanted {PACKAGE_FORMAT} version {PACKAGE_VERSION},"
                    f" got {found[0]} version {found[1]}; make the package again"
                )
            device, host, given = record["device"], record["input"], record["output"]
            common: dict[str, Any] = {
                "network": str(record["network"]),
                "board": str(record["board"]),
                "bitstream": str(record["bitstream"]),
                "id_word": int(device["id_word"], 16),
                "clock_hz": int(device["clock_hz"]),
                "interval_cycles": int(device["interval_cycles"]),
                "latency_cycles": int(device["latency_cycles"]),
                "input_shape": tuple(int(size) for size in host["shape"]),
                "input_elements": int(host["elements"]),
                "input_element_bits": int(host["element_bits"]),
                "input_bytes": int(host["bytes"]),
                "output_elements": int(given["elements"]),
                "output_element_bits": int(given["element_bits"]),
                "output_signed": bool(given["signed"]),
                "output_bytes": int(given["bytes"]),
                "hardware_classes": bool(given["hardware_classes"]),
                "host_classes": bool(given["host_classes"]),
                "files": {str(name): str(value) for name, value in record["files"].items()},
            }
            if device["interface"] == "axi":
                return AxiManifest(
                    map_version=int(device["map_version"], 16),
                    input_width_bits=int(device["input_width_bits"]),
                    output_width_bits=int(device["output_width_bits"]),
                    **common,
                )
            return SerialManifest(
                protocol_version=int(device["protocol_version"]),
                clocks_per_bit=int(device["clocks_per_bit"]),
                baud=int(device["baud"]),
                quiet_ms=float(device["quiet_ms"]),
                window=int(device["window"]),
                **common,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackageError(
                f"{path} is not a readable manifest ({type(error).__name__}: {error});"
                " make the package again"
            ) from error

    def check_file(self, package: Path, name: str) -> None:
        """Raises PackageError unless the file called `name` is the one that was packaged."""
        try:
            found = hashlib.sha256((package / name).read_bytes()).hexdigest()
        except OSError as error:
            raise PackageError(f"{package / name} cannot be read ({error.strerror})") from error
        if found != self.files.get(name):
            raise PackageError(
                f"{package / name} is truncated or was altered (its sha256 differs);"
                " make the package again"
            )


@dataclass(frozen=True)
class SerialManifest(Manifest):
    """What `manifest.json` says of a device on a serial line.

    Attributes:
        protocol_version: of the UART protocol.
        clocks_per_bit: divisor of the UART, fixed in the bitstream.
        baud: what the host sets.
        quiet_ms: silence after which the device forgets a broken frame.
        window: images that may be unanswered at a time.
    """

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


@dataclass(frozen=True)
class Host:
    """Encoding and decoding for one network.

    Attributes:
        manifest: the package's.
        source: int32 (F,), index into the flattened input.
        encoding: what becomes of the elements at `source`.
        table: float32 (K, S); column i is the float output at the accumulator low + i · step.
        low: the smallest accumulator.
        step: distance of neighbouring accumulators.
        k: classes per image, where the network's results are classes.
    """

    manifest: Manifest
    source: np.ndarray[Any, np.dtype[np.int32]]
    encoding: BitEncoding | IntegerEncoding
    table: np.ndarray[Any, np.dtype[np.float32]]
    low: int
    step: int
    k: int

    @classmethod
    def load(cls, package: Path) -> Host:
        """Read manifest and host arrays of a package folder. Raises PackageError."""
        manifest = Manifest.load(package)
        for name in _HOST_FILES:
            manifest.check_file(package, name)
        graph, weights = (package / name for name in _HOST_FILES)
        try:
            record = json.loads(graph.read_text())
            with np.load(weights, allow_pickle=False) as arrays:
                host = cls(
                    manifest=manifest,
                    source=arrays["input.source"],
                    encoding=_encoding(record["input"], arrays, manifest.input_element_bits),
                    table=arrays["output.values"],
                    low=int(record["output"]["low"]),
                    step=int(record["output"]["step"]),
                    k=int(record["output"].get("k", 1)),
                )
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise PackageError(
                f"{graph.parent} cannot be read ({type(error).__name__}: {error});"
                " make the package again"
            ) from error
        host._require_fit(package)
        return host

    def _require_fit(self, package: Path) -> None:
        """Raises PackageError where manifest and arrays are not of the same network."""
        manifest = self.manifest
        elements, bits = manifest.input_elements, manifest.input_element_bits
        if self.source.shape != (elements,) or not self.encoding.fits(elements, bits):
            raise PackageError(
                f"{package}: the input encoding is not one of {elements} elements of {bits} bits,"
                f" as {MANIFEST_FILE} has it; make the package again"
            )
        if elements * bits > 8 * manifest.input_bytes:
            raise PackageError(
                f"{package}: {elements} elements of {bits} bits do not fit into"
                f" {manifest.input_bytes} bytes; make the package again"
            )
        if manifest.hardware_classes and manifest.output_elements != self.k:
            raise PackageError(
                f"{package}: wanted {manifest.output_elements} classes per image, got {self.k};"
                " make the package again"
            )
        if not manifest.hardware_classes and len(self.table) != manifest.output_elements:
            raise PackageError(
                f"{package}: wanted an output table of {manifest.output_elements} rows,"
                f" got {len(self.table)}; make the package again"
            )

    def require_batch(self, x: Any) -> np.ndarray[Any, Any]:
        """Inputs as an array. Raises InputError unless it is (N, *input_shape) of real numbers."""
        batch: np.ndarray[Any, Any] = np.asarray(x)
        shape = self.manifest.input_shape
        if batch.ndim != len(shape) + 1 or batch.shape[1:] != shape:
            wanted = ", ".join(["N", *map(str, shape)])
            raise InputError(f"inputs: wanted shape ({wanted}), got {batch.shape}")
        if batch.dtype.kind not in "biuf":
            raise InputError(f"inputs: wanted real numbers, got dtype {batch.dtype}")
        return batch

    def encode(self, x: Any) -> np.ndarray[Any, Any]:
        """Inputs (N, *input_shape) of any real dtype → encoded elements (N, F), bool or integers.

        They are compared as float32, uint8 by an equivalent that is faster. Integers saturate: what
        lies beyond the ends of their range becomes its least or greatest, and fractions are rounded
        as the network's quantiser does.

        Raises:
            InputError: wrong shape, not numbers, or NaN.
        """
        x = self.require_batch(x)
        flat = x.reshape(len(x), int(np.prod(x.shape[1:], dtype=np.int64)))
        if flat.dtype != np.uint8:
            flat = flat.astype(np.float32)
            if np.isnan(flat).any():
                raise InputError("inputs: hold NaN")
        return self.encoding.encode(flat if self._in_order else flat[:, self.source])

    @cached_property
    def _in_order(self) -> bool:
        """Whether the elements are the inputs, one by one."""
        inputs = int(np.prod(self.manifest.input_shape, dtype=np.int64))
        return np.array_equal(self.source, np.arange(inputs))

    def random_elements(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Random encoded elements (count, F)."""
        low, high = self.encoding.smallest, self.encoding.largest
        random = np.random.default_rng(seed)
        return random.integers(low, high, (count, self.manifest.input_elements), endpoint=True)

    def pack(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Encoded elements (N, F) → (N, input_bytes), as they are sent, padded with zeros."""
        packed = self.encoding.pack(elements)
        sent = np.zeros((len(packed), self.manifest.input_bytes), np.uint8)
        sent[:, : packed.shape[1]] = packed
        return sent

    def decode(self, received: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, Any]:
        """Received (N, output_bytes) → accumulators (N, K) or classes (N, k), int64."""
        manifest = self.manifest
        kind = "i" if manifest.output_signed else "u"
        dtype = np.dtype(f"<{kind}{manifest.output_element_bits // 8}")
        wanted = manifest.output_elements * dtype.itemsize
        elements = np.ascontiguousarray(received[:, :wanted]).view(dtype)
        return elements.astype(np.int64)

    def logits(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Accumulators (N, K) → the original network's float outputs (N, K), float32.

        Raises:
            InputError: the device of this package sends classes, not accumulators.
            DeviceError: an accumulator is none that the network can give.
        """
        if self.manifest.hardware_classes:
            raise InputError(
                f"{self.manifest.network}: its device finds classes itself and sends no logits"
            )
        columns, rest = np.divmod(elements - self.low, self.step)
        wrong = (rest != 0) | (columns < 0) | (columns >= self.table.shape[1])
        if wrong.any():
            high = self.low + self.step * (self.table.shape[1] - 1)
            raise DeviceError(
                f"wanted an accumulator from {self.low} to {high} in steps of {self.step},"
                f" got {elements[wrong][0]}"
            )
        floats: np.ndarray[Any, np.dtype[np.float32]] = self.table[
            np.arange(len(self.table)), columns
        ]
        return floats

    def result(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Decoded elements → the network's result, int64.

        That is accumulators (N, K), or classes: (N,) for k = 1, else (N, k), the first one first.
        """
        if self.manifest.hardware_classes:
            classes = elements
        elif self.manifest.host_classes:
            order = np.argsort(-self.logits(elements), axis=1, kind="stable")
            classes = order[:, : self.k]
        else:
            return elements
        return classes[:, 0] if self.k == 1 else classes


def _encoding(
    record: dict[str, Any], arrays: Any, element_bits: int
) -> BitEncoding | IntegerEncoding:
    """The encoding that `dataflow.json` and `weights.npz` describe."""
    if record["op"] == "ThresholdEncoding":
        return BitEncoding(threshold=arrays["input.threshold"], invert=arrays["input.invert"])
    if record["op"] != "IntegerEncoding":
        raise ValueError(f"unknown input encoding {record['op']!r}")
    element = record["element"]
    return IntegerEncoding(
        steps=arrays["input.steps"],
        smallest=-(1 << element["width_bits"] - 1) if element["signed"] else 0,
        element_bytes=element_bits // 8,
    )
