"""The host's share of the network: package files, input encoding, output decoding.

Numpy only. +1 is bit 1, −1 is bit 0; bit j of an image is bit j % 8 of byte j // 8.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError, PackageError

MANIFEST_FILE = "manifest.json"
PACKAGE_FORMAT = "bnnedge-package"
PACKAGE_VERSION = 1
FRAME_OVERHEAD_BYTES = 4  # letter, tag and CRC around an image or a result
# Verified before anything is sent: the host's arithmetic depends on them.
_HOST_FILES = ("dataflow/dataflow.json", "dataflow/weights.npz")


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says of the device.

    Attributes:
        network: the original network's name.
        board: the board that the bitstream is for.
        id_word: 32 bits that the device shows.
        protocol_version: of the UART protocol.
        clock_hz: clock of the network and of the UART.
        clocks_per_bit: divisor of the UART, fixed in the bitstream.
        baud: what the host sets.
        quiet_ms: silence after which the device forgets a broken frame.
        window: images that may be unanswered at a time.
        interval_cycles: clock cycles between images in the network's steady state.
        latency_cycles: about what an image takes through an idle network.
        input_shape: of one input, without the batch.
        input_bits: bits of one encoded input.
        input_bytes: bytes sent per image.
        output_elements: results per image.
        output_element_bits: 8, 16 or 32 bits for each.
        output_signed: accumulators are two's complement, classes are unsigned.
        output_bytes: bytes received per image.
        hardware_classes: the device sends the class, not accumulators.
        host_classes: the network's result is a class, found here from the accumulators.
        files: sha256 by path relative to the package.
    """

    network: str
    board: str
    id_word: int
    protocol_version: int
    clock_hz: int
    clocks_per_bit: int
    baud: int
    quiet_ms: float
    window: int
    interval_cycles: int
    latency_cycles: int
    input_shape: tuple[int, ...]
    input_bits: int
    input_bytes: int
    output_elements: int
    output_element_bits: int
    output_signed: bool
    output_bytes: int
    hardware_classes: bool
    host_classes: bool
    files: dict[str, str]

    @property
    def bound_images_per_s(self) -> float:
        """Images/s where the slowest of line in, network, line out never waits; no USB delays."""
        image_s = 10 * (FRAME_OVERHEAD_BYTES + self.input_bytes) / self.baud
        result_clocks = 10 * (FRAME_OVERHEAD_BYTES + self.output_bytes) * self.clocks_per_bit
        return 1 / max(image_s, max(result_clocks, self.interval_cycles) / self.clock_hz)

    @property
    def image_s(self) -> float:
        """Seconds from an image's first bit to its result's last, with nothing in the way."""
        size = self.input_bytes + self.output_bytes + 2 * FRAME_OVERHEAD_BYTES
        return (10 * self.clocks_per_bit * size + self.latency_cycles) / self.clock_hz

    @classmethod
    def load(cls, package: Path) -> Manifest:
        """Read the manifest. Raises PackageError where it is missing, damaged or newer."""
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
            return cls(
                network=str(record["network"]),
                board=str(record["board"]),
                id_word=int(device["id_word"], 16),
                protocol_version=int(device["protocol_version"]),
                clock_hz=int(device["clock_hz"]),
                clocks_per_bit=int(device["clocks_per_bit"]),
                baud=int(device["baud"]),
                quiet_ms=float(device["quiet_ms"]),
                window=int(device["window"]),
                interval_cycles=int(device["interval_cycles"]),
                latency_cycles=int(device["latency_cycles"]),
                input_shape=tuple(int(size) for size in host["shape"]),
                input_bits=int(host["bits"]),
                input_bytes=int(host["bytes"]),
                output_elements=int(given["elements"]),
                output_element_bits=int(given["element_bits"]),
                output_signed=bool(given["signed"]),
                output_bytes=int(given["bytes"]),
                hardware_classes=bool(given["hardware_classes"]),
                host_classes=bool(given["host_classes"]),
                files={str(name): str(value) for name, value in record["files"].items()},
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
class Host:
    """Encoding and decoding for one network.

    Attributes:
        manifest: the package's.
        source: int32 (F,), index into the flattened input.
        threshold: float32 (F,).
        invert: bool (F,).
        table: float32 (K, MW + 1), the float output for every popcount of the last layer.
    """

    manifest: Manifest
    source: np.ndarray[Any, np.dtype[np.int32]]
    threshold: np.ndarray[Any, np.dtype[np.float32]]
    invert: np.ndarray[Any, np.dtype[np.bool_]]
    table: np.ndarray[Any, np.dtype[np.float32]]

    @classmethod
    def load(cls, package: Path) -> Host:
        """Read manifest and host arrays of a package folder. Raises PackageError."""
        manifest = Manifest.load(package)
        for name in _HOST_FILES:
            manifest.check_file(package, name)
        path = package / "dataflow" / "weights.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                host = cls(
                    manifest=manifest,
                    source=arrays["input.source"],
                    threshold=arrays["input.threshold"],
                    invert=arrays["input.invert"],
                    table=arrays["output.values"],
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise PackageError(f"{path} cannot be read ({error})") from error
        if host.source.shape != (manifest.input_bits,):
            raise PackageError(
                f"{path}: wanted {manifest.input_bits} input bits, got {host.source.size}"
            )
        return host

    def encode(self, x: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Inputs (N, *input_shape) of any real dtype → (N, input_bytes), as they are sent.

        bit[j] = (x[source[j]] >= threshold[j]) ^ invert[j], compared as float32.

        Raises:
            InputError: wrong shape, not numbers, or NaN.
        """
        x = np.asarray(x)
        shape = self.manifest.input_shape
        if x.ndim != len(shape) + 1 or x.shape[1:] != shape:
            wanted = ", ".join(["N", *map(str, shape)])
            raise InputError(f"inputs: wanted shape ({wanted}), got {x.shape}")
        if x.dtype.kind not in "biuf":
            raise InputError(f"inputs: wanted real numbers, got dtype {x.dtype}")
        flat = x.reshape(len(x), int(np.prod(shape, dtype=np.int64))).astype(np.float32)
        if np.isnan(flat).any():
            raise InputError("inputs: hold NaN")
        bits = (flat[:, self.source] >= self.threshold) ^ self.invert
        packed = np.packbits(bits, axis=1, bitorder="little")
        return np.pad(packed, ((0, 0), (0, self.manifest.input_bytes - packed.shape[1])))

    def decode(self, received: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, Any]:
        """Received (N, output_bytes) → accumulators (N, K) or classes (N, 1), int64."""
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
        """
        if self.manifest.hardware_classes:
            raise InputError(
                f"{self.manifest.network}: its device finds the class itself and sends no logits"
            )
        synapses = self.table.shape[1] - 1
        floats: np.ndarray[Any, np.dtype[np.float32]] = self.table[
            np.arange(len(self.table)), (elements + synapses) // 2
        ]
        return floats

    def result(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Decoded elements → the network's result, int64: accumulators (N, K) or classes (N,)."""
        if self.manifest.hardware_classes:
            return elements[:, 0]
        if self.manifest.host_classes:
            classes: np.ndarray[Any, Any] = self.logits(elements).argmax(axis=1)
            return classes
        return elements
