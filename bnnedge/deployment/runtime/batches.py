"""What AMD's FINN examples call the sizes and steps of a batch, for a driver that moves batches.

Inputs are *folded* to the elements that the network takes, *packed* to bytes, copied to the device;
results the other way round.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .accelerator import Accelerator

if TYPE_CHECKING:  # numpy's types cannot be subscripted in Python 3.8
    Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class BatchDriver(Accelerator):
    """An accelerator that is given a whole batch at a time.

    Attributes:
        obuf_packed: uint8 (batch_size, output_bytes), for `copy_output_data_from_device`.
    """

    obuf_packed: Bytes

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """Most images of a transfer."""

    @abstractmethod
    def copy_input_data_to_device(self, packed: Bytes) -> None:
        """Packed inputs (N, input_bytes) for `execute_on_buffers`, N up to batch_size."""

    @abstractmethod
    def copy_output_data_from_device(self, packed: Bytes) -> None:
        """Packed results of `execute_on_buffers` into (N, output_bytes), N up to batch_size."""

    @abstractmethod
    def execute_on_buffers(self, asynch: bool = False, batch_size: int | None = None) -> None:
        """Run what was copied to the device."""

    @abstractmethod
    def _results(self) -> Bytes:
        """Packed results where the device puts them (batch_size, output_bytes)."""

    @abstractmethod
    def _now(self) -> float:
        """Seconds on the device's clock."""

    @abstractmethod
    def _clock_mhz(self) -> float:
        """The network's clock as the board has it."""

    def ishape_normal(self) -> tuple[int, ...]:
        """(batch_size, *input_shape)."""
        return (self.batch_size, *self.manifest.input_shape)

    def ishape_folded(self) -> tuple[int, ...]:
        """(batch_size, F): encoded elements."""
        return (self.batch_size, self.manifest.input_elements)

    def ishape_packed(self) -> tuple[int, ...]:
        """(batch_size, input_bytes)."""
        return (self.batch_size, self.manifest.input_bytes)

    def oshape_packed(self) -> tuple[int, ...]:
        """(batch_size, output_bytes)."""
        return (self.batch_size, self.manifest.output_bytes)

    def oshape_folded(self) -> tuple[int, ...]:
        """(batch_size, K): what the device gives."""
        return (self.batch_size, self.manifest.output_elements)

    def oshape_normal(self) -> tuple[int, ...]:
        """Shape of what `execute` gives for a full batch."""
        one_class = (self.manifest.hardware_classes or self.manifest.host_classes) and (
            self._host.k == 1
        )
        if one_class:
            return (self.batch_size,)
        classes = self.manifest.host_classes and not self.manifest.hardware_classes
        return (self.batch_size, self._host.k if classes else self.manifest.output_elements)

    def fold_input(self, batch: Any) -> np.ndarray[Any, Any]:
        """Inputs (N, *input_shape) of any real dtype → encoded elements (N, F).

        Raises:
            InputError: wrong shape, not numbers, or NaN.
        """
        return self._host.encode(batch)

    def pack_input(self, elements: np.ndarray[Any, Any]) -> Bytes:
        """Encoded elements (N, F) → (N, input_bytes), uint8."""
        return self._host.pack(elements)

    def unpack_output(self, packed: Bytes) -> np.ndarray[Any, Any]:
        """Results (N, output_bytes) → accumulators (N, K) or classes (N, k), int64."""
        return self._host.decode(packed)

    def unfold_output(self, elements: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What the device gives → what `execute` gives."""
        return self._host.result(elements)

    def throughput_test(self, seed: int = 0) -> dict[str, float]:
        """Run a full batch of random images and measure, under the names that FINN's driver has.

        Raises:
            DeviceError: the device does not answer, or not as it should.
        """
        folded = self._host.random_elements(self.batch_size, seed)
        if self.manifest.input_element_bits == 1:
            folded = folded.astype(np.bool_)  # as `fold_input` gives them
        packed = self.pack_input(folded)
        self.copy_input_data_to_device(packed)
        start = self._now()
        self.execute_on_buffers()
        runtime = self._now() - start
        found = {
            "runtime[ms]": 1000 * runtime,
            "throughput[images/s]": self.batch_size / runtime,
            "DRAM_in_bandwidth[MB/s]": packed.nbytes / runtime / 1e6,
            "DRAM_out_bandwidth[MB/s]": self.obuf_packed.nbytes / runtime / 1e6,
            "fclk[mhz]": self._clock_mhz(),
            "batch_size": self.batch_size,
        }
        inputs = np.zeros(self.ishape_normal(), np.uint8)
        results = self.unpack_output(self._results())
        steps: dict[str, Callable[[], object]] = {
            "fold_input[ms]": lambda: self.fold_input(inputs),
            "pack_input[ms]": lambda: self.pack_input(folded),
            "copy_input_data_to_device[ms]": lambda: self.copy_input_data_to_device(packed),
            "copy_output_data_from_device[ms]": lambda: self.copy_output_data_from_device(
                self.obuf_packed
            ),
            "unpack_output[ms]": lambda: self.unpack_output(self.obuf_packed),
            "unfold_output[ms]": lambda: self.unfold_output(results),
        }
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            found[name] = 1000 * (time.perf_counter() - begun)
        return found
