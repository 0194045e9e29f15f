"""The host's share of the network: input encoding and output decoding. Numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Arrays
from .encoding import BitEncoding, IntegerEncoding
from .errors import DeviceError, InputError, PackageError
from .manifest import MANIFEST_FILE, Manifest
from .record import Record

_GRAPH, _WEIGHTS = "dataflow/dataflow.json", "dataflow/weights.npz"
_MOST_ARRAY_BYTES = 1 << 28
_MOST_SUM = 1 << 31


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
    def load(cls, package: str | Path) -> Host:
        """Read manifest and host arrays of a package folder. Raises PackageError."""
        package = Path(package)
        manifest = Manifest.load(package)
        graph, weights = (manifest.read_file(package, name) for name in (_GRAPH, _WEIGHTS))
        try:
            record = Record.parse(graph)
            output = record.record("output")
            arrays = Arrays(weights, _MOST_ARRAY_BYTES)
            host = cls(
                manifest=manifest,
                source=arrays.read("input.source", np.int32, 1),
                encoding=_encoding(record.record("input"), arrays, manifest.input_element_bits),
                table=arrays.read("output.values", np.float32, 2),
                low=output.integer("low", -_MOST_SUM, _MOST_SUM),
                step=output.integer("step", 1, _MOST_SUM),
                k=output.integer("k", 1, _MOST_SUM) if "k" in output else 1,
            )
            host._require_fit()
        except ValueError as error:
            raise PackageError(
                f"{package / 'dataflow'} does not fit {MANIFEST_FILE} ({error});"
                " make the package again"
            ) from error
        return host

    def _require_fit(self) -> None:
        """Raises ValueError where manifest and arrays are not of the same network."""
        manifest = self.manifest
        elements, bits = manifest.input_elements, manifest.input_element_bits
        if self.source.shape != (elements,) or not self.encoding.fits(elements, bits):
            raise ValueError(f"the input encoding is not one of {elements} elements of {bits} bits")
        if self.source.min() < 0 or self.source.max() >= _size(manifest.input_shape):
            raise ValueError(f"an element's source is outside inputs of {manifest.input_shape}")
        if not self.table.size or not np.isfinite(self.table).all():
            raise ValueError("the output table is empty, or not of numbers")
        if self.k > (len(self.table) if manifest.host_classes else 1):
            raise ValueError(f"wanted at most {len(self.table)} classes per image, got {self.k}")
        if manifest.hardware_classes and manifest.output_elements != self.k:
            raise ValueError(f"wanted {manifest.output_elements} classes per image, got {self.k}")
        if not manifest.hardware_classes:
            self._require_table()

    def _require_table(self) -> None:
        """Raises ValueError unless every accumulator has a column in the output table."""
        rows, columns = self.table.shape
        if rows != self.manifest.output_elements:
            raise ValueError(
                f"wanted an output table of {self.manifest.output_elements} rows, got {rows}"
            )
        low, high = self._ranges
        inside = low >= self.low
        inside &= high <= self.low + self.step * (columns - 1)
        if not inside.all() or ((low - self.low) % self.step).any():
            raise ValueError("results of the device have no place in the output table")
        if self.manifest.output_step % self.step and (low < high).any():
            raise ValueError(
                f"results {self.manifest.output_step} apart have no place in an output table"
                f" with steps of {self.step}"
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
        flat = x.reshape(len(x), _size(x.shape[1:]))
        if flat.dtype != np.uint8:
            flat = flat.astype(np.float32)
            if np.isnan(flat).any():
                raise InputError("inputs: hold NaN")
        return self.encoding.encode(flat if self._in_order else flat[:, self.source])

    @cached_property
    def _in_order(self) -> bool:
        """Whether the elements are the inputs, one by one."""
        return np.array_equal(self.source, np.arange(_size(self.manifest.input_shape)))

    @cached_property
    def _ranges(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The least and the greatest value of every result, int64 (K,), or (1,) for all."""
        ranges = np.array(self.manifest.output_ranges, np.int64)
        return ranges[:, 0], ranges[:, 1]

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
        """Received (N, output_bytes) → accumulators (N, K) or classes (N, k), int64.

        Raises:
            DeviceError: the network cannot give that.
        """
        manifest = self.manifest
        kind = "i" if manifest.output_signed else "u"
        dtype = np.dtype(f"<{kind}{manifest.output_element_bits // 8}")
        wanted = manifest.output_elements * dtype.itemsize
        if received[:, wanted:].any():
            raise DeviceError(
                f"{manifest.network}: wanted zeros behind the {wanted} bytes of a result;"
                " is this package's bitstream in the device?"
            )
        elements = np.ascontiguousarray(received[:, :wanted]).view(dtype).astype(np.int64)
        self._require_possible(elements)
        return elements

    def _require_possible(self, elements: np.ndarray[Any, Any]) -> None:
        """Raises DeviceError: decoded elements are none that the network can give."""
        manifest = self.manifest
        if elements.ndim != 2 or elements.shape[1] != manifest.output_elements:
            raise InputError(
                f"results: wanted shape (N, {manifest.output_elements}), got {elements.shape}"
            )
        low, high = self._ranges
        step = manifest.output_step
        wrong = (elements < low) | (elements > high) | ((elements - low) % step != 0)
        what = "a class" if manifest.hardware_classes else "an accumulator"
        if wrong.any():
            image, place = np.argwhere(wrong)[0]
            own = place if len(low) > 1 else 0
            steps = f" in steps of {step}" if step > 1 else ""
            raise DeviceError(
                f"{manifest.network}, image {image}, result {place}: wanted {what} from"
                f" {low[own]} to {high[own]}{steps}, got {elements[image, place]}; is this"
                " package's bitstream in the device?"
            )
        if manifest.hardware_classes and (np.diff(np.sort(elements, axis=1), axis=1) == 0).any():
            raise DeviceError(
                f"{manifest.network}: wanted {self.k} different classes per image, got one twice;"
                " is this package's bitstream in the device?"
            )

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
        self._require_possible(elements)
        columns = (elements - self.low) // self.step
        floats: np.ndarray[Any, np.dtype[np.float32]] = self.table[
            np.arange(len(self.table)), columns
        ]
        return floats

    def result(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Decoded elements → the network's result, int64.

        That is accumulators (N, K), or classes: (N,) for k = 1, else (N, k), the first one first.

        Raises:
            DeviceError: an element is none that the network can give.
        """
        self._require_possible(elements)
        if self.manifest.hardware_classes:
            classes = elements
        elif self.manifest.host_classes:
            order = np.argsort(-self.logits(elements), axis=1, kind="stable")
            classes = order[:, : self.k]
        else:
            return elements
        return classes[:, 0] if self.k == 1 else classes

    def classes(self, results: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What `result` gives → the class of each image (N,), its first one if there are several.

        Raises:
            DeviceError: an accumulator is none that the network can give.
        """
        manifest = self.manifest
        classes: np.ndarray[Any, Any] = results if results.ndim == 1 else results[:, 0]
        if not manifest.hardware_classes and not manifest.host_classes:
            classes = np.argmax(self.logits(results), axis=1)
        return classes


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


def _encoding(record: Record, arrays: Arrays, element_bits: int) -> BitEncoding | IntegerEncoding:
    """The encoding that `dataflow.json` and `weights.npz` describe. Raises ValueError."""
    kind = record.text("op")
    if kind == "ThresholdEncoding":
        threshold = arrays.read("input.threshold", np.float32, 1)
        if np.isnan(threshold).any():
            raise ValueError("a threshold is NaN")
        return BitEncoding(threshold=threshold, invert=arrays.read("input.invert", np.bool_, 1))
    if kind != "IntegerEncoding":
        raise ValueError(f"unknown input encoding {kind!r}")
    element, steps = record.record("element"), arrays.read("input.steps", np.float32, 2)
    if not (steps[:, 1:] >= steps[:, :-1]).all():
        raise ValueError("steps of the input encoding decrease, or are NaN")
    width_bits = element.integer("width_bits", 1, 16)
    return IntegerEncoding(
        steps=steps,
        smallest=-(1 << width_bits - 1) if element.flag("signed") else 0,
        element_bytes=element_bits // 8,
    )
