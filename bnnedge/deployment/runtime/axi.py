"""The accelerator behind an AXI DMA, on a board that runs PYNQ."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import BatchDriver
from .errors import DeviceError, InputError
from .host import Host
from .manifest import Manifest, read_common
from .record import Record

DMA_NAME = "axi_dma_0"
DEVICE_NAME = "bnnedge_0"
DEFAULT_BATCH = 256
_MOST_IMAGE_BYTES = (1 << 26) - 1  # what a DMA moves at a time
_FRAME_ERROR = 2  # of STATUS
_DMA_RESET = 4  # of MM2S_DMACR; resets both channels
_RESET_S = 0.1
# Of what streams and network need at best: memory has others to serve.
_SLOWEST = 4
_FASTEST = 1.001  # oscillators and rounding
# PYNQ's, of a file that is no bitstream and of a handoff that is damaged or of another design.
_OVERLAY_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    AttributeError,
    LookupError,
    TypeError,
    SyntaxError,
)

if TYPE_CHECKING:  # numpy's types cannot be subscripted in Python 3.8
    _Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Register(IntEnum):
    """Byte addresses of the device's registers (docs/reference/registers.md)."""

    ID = 0x00
    VERSION = 0x04
    CONTROL = 0x08
    STATUS = 0x0C
    IMAGES = 0x10
    IMAGE_BYTES = 0x14
    RESULT_BYTES = 0x18
    IMAGES_IN = 0x1C
    IMAGES_OUT = 0x20
    CYCLES = 0x24


@dataclass(frozen=True)
class AxiManifest(Manifest):
    """What `manifest.json` says of a device behind an AXI DMA.

    Attributes:
        map_version: what the register VERSION reads as.
        input_width_bits: of the stream towards the device.
        output_width_bits: of the stream from it.
    """

    interface = "axi"

    map_version: int
    input_width_bits: int
    output_width_bits: int

    @classmethod
    def read(cls, record: Record, device: Record) -> AxiManifest:
        """See the base class."""
        common = read_common(record, device, _MOST_IMAGE_BYTES)
        if not common["bitstream"].endswith(".bit"):
            raise ValueError(f"bitstream: wanted a .bit, got {common['bitstream']!r}")
        widths = {}
        for side in ("input", "output"):
            width = widths[side] = device.integer(f"{side}_width_bits", 8, 1024)
            size = common[f"{side}_bytes"]
            if width % 8 or 8 * size % width:
                raise ValueError(
                    f"device.{side}_width_bits: {size} bytes are no whole words of {width} bits"
                )
        return cls(
            **common,
            map_version=device.word("map_version"),
            input_width_bits=widths["input"],
            output_width_bits=widths["output"],
        )

    @property
    def loader(self) -> None:
        """See the base class: PYNQ's overlay does."""

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


class AxiAccelerator(BatchDriver):
    """A PYNQ board. Close it, or use it in a `with` statement.

    Attributes:
        manifest: the package's.
        overlay: PYNQ's, of the bitstream.
    """

    manifest: AxiManifest

    def __init__(
        self,
        host: Host,
        pynq: Any,
        bitfile: Path,
        *,
        batch_size: int = DEFAULT_BATCH,
        grace_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the bitstream and look whether it is the packaged network.

        Args:
            host: the package's host side.
            pynq: the module of this name, or what has its `Overlay`, `allocate` and `Clocks`.
            bitfile: the bitstream, its .hwh beside it.
            batch_size: most images of a transfer.
            grace_s: how long a transfer may take beyond four times what streams and network need.
            clock: gives seconds.

        Raises:
            DeviceError: the bitstream cannot be loaded, or is not the packaged network's.
            InputError: no such batch size.
        """
        super().__init__(host, host.manifest.board)
        self._allocate = pynq.allocate
        self._clocks = pynq.Clocks
        self._grace_s = grace_s
        self._clock = clock
        self._running: tuple[int, float] | None = None  # images, deadline
        self._batch_size = 0
        self._buffers: list[tuple[Any, Any]] = []
        try:
            self.overlay = pynq.Overlay(str(bitfile.resolve()))
            self._dma = getattr(self.overlay, DMA_NAME)
            self._device = getattr(self.overlay, DEVICE_NAME)
        except _OVERLAY_ERRORS as error:
            raise DeviceError(
                f"{bitfile} cannot be used ({type(error).__name__}: {error}); is it the bitstream"
                f" of this package, with its .hwh beside it, and may this user load it?"
            ) from error
        self._set_clock()
        self._require_identity(bitfile)
        self.reset()
        self.batch_size = batch_size

    def _set_clock(self) -> None:
        """PYNQ divides a PLL of the board, and takes what comes nearest."""
        wanted = self.manifest.clock_hz / 1e6
        self._clocks.fclk0_mhz = wanted
        got = float(self._clocks.fclk0_mhz)
        if got > wanted * _FASTEST:
            raise DeviceError(
                f"the bitstream was timed for {wanted:g} MHz, the nearest that this board sets is"
                f" {got:g} MHz; synthesise it for a clock that is no lower"
            )

    def close(self) -> None:
        """Give the buffers back; the network stays loaded."""
        if self._running is not None:
            self.reset()
        self._buffers = []

    @property
    def batch_size(self) -> int:
        """Most images of a transfer; setting it allocates the buffers anew."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        if value < 1:
            raise InputError(f"batch_size: wanted 1 or more, got {value}")
        image = max(self.manifest.input_bytes, self.manifest.output_bytes)
        if value * image > self._dma.buffer_max_size:
            most = self._dma.buffer_max_size // image
            raise InputError(
                f"batch_size: {value} images of {image} bytes are more than the DMA moves at a"
                f" time ({self._dma.buffer_max_size} bytes); take at most {most}"
            )
        if self._running is not None:
            raise InputError("batch_size: a transfer is running; wait_until_finished first")
        before, self._batch_size = self._batch_size, value
        try:
            self._reserve()
        except (RuntimeError, MemoryError) as error:
            self._batch_size = before
            if before:
                self._reserve()
            raise InputError(
                f"batch_size: no memory for buffers of {value} images ({error}); take fewer"
            ) from error

    def copy_input_data_to_device(self, packed: _Bytes) -> None:
        """See the base class."""
        self._fill(0, packed)

    def copy_output_data_from_device(self, packed: _Bytes) -> None:
        """See the base class."""
        packed[:] = self._buffers[0][1][: len(packed)]

    def execute_on_buffers(self, asynch: bool = False, batch_size: int | None = None) -> None:
        """Run what was copied to the device.

        Args:
            asynch: return at once; `wait_until_finished` tells the end.
            batch_size: images, if fewer than the accelerator's.

        Raises:
            InputError: more images than the buffers hold, or a transfer is running.
            DeviceError: the device is stuck or broken; it was reset.
        """
        count = self.batch_size if batch_size is None else batch_size
        if not 1 <= count <= self.batch_size:
            raise InputError(f"batch_size: wanted 1 to {self.batch_size}, got {count}")
        if self._running is not None:
            raise InputError("a transfer is running; wait_until_finished first")
        self._start(0, count)
        if not asynch:
            self.wait_until_finished()

    def wait_until_finished(self) -> None:
        """Wait for the running transfer, if there is one.

        Raises:
            DeviceError: it takes too long, or the device is broken; it was reset.
        """
        if self._running is None:
            return
        count, deadline = self._running
        send, receive = self._dma.sendchannel, self._dma.recvchannel
        while not (receive.idle and send.idle):
            problem = self._problem()
            if problem is None and self._clock() > deadline:
                problem = f"wanted {count} results, got {self._device.read(Register.IMAGES_OUT)}"
                problem += f" from {self._device.read(Register.IMAGES_IN)} images: no end in sight"
            if problem is not None:
                self.reset()
                raise DeviceError(f"{self.name}: {problem}; the device was reset")
        try:
            send.wait()
            receive.wait()  # makes the results visible to the processor
        except RuntimeError as error:
            self.reset()
            raise DeviceError(f"{self.name}: {error}; the device was reset") from error
        self._running = None
        wanted = count * self.manifest.output_bytes
        if receive.transferred != wanted:
            got = receive.transferred
            self.reset()
            raise DeviceError(
                f"{self.name}: wanted {wanted} bytes of results, got {got}; the device was reset"
            )

    def reset(self) -> None:
        """Stop whatever runs; the next batch starts afresh. Counters begin at 0.

        Raises:
            DeviceError: the DMA does not come out of its reset.
        """
        self._running = None
        self._device.write(Register.CONTROL, 1)
        self._dma.mmio.write(0, _DMA_RESET)
        deadline = self._clock() + _RESET_S
        while self._dma.mmio.read(0) & _DMA_RESET:
            if self._clock() > deadline:
                raise DeviceError(
                    f"{self.name}: the DMA does not come out of its reset; power the board off"
                )
        self._device.write(Register.CONTROL, 0)
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()

    def counters(self) -> dict[str, int]:
        """Registers since the last reset: images_in, images_out, and cycles with work to do."""
        names = (Register.IMAGES_IN, Register.IMAGES_OUT, Register.CYCLES)
        return {name.name.lower(): int(self._device.read(name)) for name in names}

    def _elements(self, batch: Any) -> np.ndarray[Any, Any]:
        batch = self._host.require_batch(batch)
        self.wait_until_finished()
        received = np.empty((len(batch), self.manifest.output_bytes), np.uint8)
        starts = range(0, len(batch), self.batch_size)
        try:
            for number, first in enumerate(starts):
                part = batch[first : first + self.batch_size]
                # Encoded and packed while the part before is on its way.
                self._fill(number % 2, self.pack_input(self.fold_input(part)))
                self.wait_until_finished()
                self._start(number % 2, len(part))
                if number:
                    self._take(1 - number % 2, received[first - self.batch_size : first])
            self.wait_until_finished()
        except InputError:  # NaN in a later part
            self.wait_until_finished()
            raise
        if starts:
            self._take((len(starts) - 1) % 2, received[starts[-1] :])
        return self.unpack_output(received)

    def _reserve(self) -> None:
        """Allocate the buffers of a batch; the old ones are freed first."""
        self._buffers = []
        # Two pairs: one is filled and emptied while the DMA works on the other.
        for _ in range(2):
            inputs = self._allocate(self.ishape_packed(), dtype=np.uint8, cacheable=True)
            outputs = self._allocate(self.oshape_packed(), dtype=np.uint8, cacheable=True)
            self._buffers.append((inputs, outputs))
        self.obuf_packed: _Bytes = np.empty(self.oshape_packed(), np.uint8)

    def _fill(self, pair: int, packed: _Bytes) -> None:
        self._buffers[pair][0][: len(packed)] = packed

    def _take(self, pair: int, received: _Bytes) -> None:
        received[:] = self._buffers[pair][1][: len(received)]

    def _start(self, pair: int, count: int) -> None:
        inputs, outputs = self._buffers[pair]
        manifest = self.manifest
        least_s = count / manifest.bound_images_per_s + manifest.latency_cycles / manifest.clock_hz
        # Before anything runs: whatever interrupts it, `close` knows that there is a transfer.
        self._running = (count, self._clock() + _SLOWEST * least_s + self._grace_s)
        self._device.write(Register.IMAGES, count)
        try:
            self._dma.recvchannel.transfer(outputs, 0, count * manifest.output_bytes)
            self._dma.sendchannel.transfer(inputs, 0, count * manifest.input_bytes)  # flushes, too
        except RuntimeError as error:
            self.reset()
            raise DeviceError(f"{self.name}: {error}; the device was reset") from error

    def _results(self) -> _Bytes:
        results: _Bytes = self._buffers[0][1]
        return results

    def _now(self) -> float:
        return self._clock()

    def _clock_mhz(self) -> float:
        return float(self._clocks.fclk0_mhz)

    def _problem(self) -> str | None:
        """What has gone wrong with the running transfer, None while nothing has."""
        for channel, what in (
            (self._dma.sendchannel, "reading images from memory"),
            (self._dma.recvchannel, "writing results to memory"),
        ):
            if channel.error:
                return f"the DMA failed {what}"
        if self._device.read(Register.STATUS) & _FRAME_ERROR:
            return "an image came truncated (frame error)"
        return None

    def _require_identity(self, bitfile: Path) -> None:
        manifest = self.manifest
        advice = f"{bitfile} is not this package's bitstream"
        version = self._device.read(Register.VERSION)
        if version != manifest.map_version:
            raise DeviceError(
                f"{self.name}: wanted register map {manifest.map_version:#010x},"
                f" got {version:#010x}; {advice}"
            )
        id_word = self._device.read(Register.ID)
        if id_word != manifest.id_word:
            raise DeviceError(
                f"{self.name} runs another network: wanted id {manifest.id_word:#010x}"
                f" ({manifest.network}), got {id_word:#010x}; {advice}"
            )
        got = (self._device.read(Register.IMAGE_BYTES), self._device.read(Register.RESULT_BYTES))
        wanted = (manifest.input_bytes, manifest.output_bytes)
        if got != wanted:
            raise DeviceError(
                f"{self.name}: wanted {wanted[0]} bytes per image and {wanted[1]} per result,"
                f" got {got[0]} and {got[1]}; {advice}"
            )
