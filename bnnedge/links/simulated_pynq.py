"""A simulated PYNQ board: what the driver uses of `pynq`, on the model of the very `bnnedge_axi`.

Time is the device's own and passes in accesses to registers. Caches are there: what the processor
writes reaches the DMA's memory only in `flush`, and the other way round only in `invalidate`.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.links.base import SimulatedBoard
from bnnedge.verilated.axi import MEMORY_BASE, AxiModel, AxiTraffic

DEVICE_NAME, DMA_NAME = "bnnedge_0", "axi_dma_0"  # in the block design
_PAGE = 4096
# Instead of the driver's second: nothing delays a transfer here but the device and its memory.
_GRACE_CYCLES = 20_000
_SEND, _RECEIVE = 0x00, 0x30  # registers of the two channels (PG021)
_CONTROL, _STATUS, _ADDRESS, _ADDRESS_MSB, _LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
_HALTED, _IDLE, _ERRORS = 0x01, 0x02, 0x70
_LENGTH_BITS = 26  # the project that bnnedge makes for Vivado has so many


class SimulatedBuffer(NDArray[Any]):
    """An array as `pynq.allocate` gives it.

    Attributes:
        physical_address: for the DMA.
    """

    physical_address: int
    _memory: NDArray[np.uint8]

    def flush(self) -> None:
        """What the processor wrote goes to memory."""
        self._memory[:] = self.view(np.ndarray).view(np.uint8).ravel()

    def invalidate(self) -> None:
        """What is in memory is what the processor sees."""
        self.view(np.ndarray).view(np.uint8).ravel()[:] = self._memory


class SimulatedPynq(SimulatedBoard):
    """Stands for the module `pynq` in front of one board.

    Args:
        library: what `compile_axi_model` made of `bnnedge_axi`.
        data_folder: where the design's memory files are.
        clock_hz: of the board at power-on.
        traffic: how memory and processor behave, and what goes wrong with them.

    Attributes:
        Clocks: `fclk0_mhz`, as PYNQ's.
    """

    def __init__(
        self,
        library: Path,
        *,
        data_folder: Path,
        clock_hz: int,
        traffic: AxiTraffic | None = None,
    ) -> None:
        self._model = AxiModel(library, data_folder=data_folder, traffic=traffic)
        self._clock_hz = clock_hz
        self.grace_s = _GRACE_CYCLES / clock_hz
        self._used: dict[int, int] = {}  # offset in memory → bytes
        self.Clocks = SimpleNamespace(fclk0_mhz=clock_hz / 1e6)

    def Overlay(self, bitfile: str) -> Any:  # noqa: N802
        """The device and its DMA, under the names that they have in the block design."""
        model = self._model
        return SimpleNamespace(
            bitfile_name=bitfile,
            **{DEVICE_NAME: _Registers(model.read, model.write), DMA_NAME: _Dma(model)},
        )

    def allocate(
        self, shape: tuple[int, ...], dtype: type[Any] = np.uint32, cacheable: bool = False
    ) -> SimulatedBuffer:
        """An array of zeros in the processor's cache, with its place in the DMA's memory."""
        if not cacheable:
            raise NotImplementedError("the driver asks for cacheable buffers only")
        array = np.zeros(shape, dtype).view(SimulatedBuffer)
        offset = self._reserve(array.nbytes)
        array.physical_address = MEMORY_BASE + offset
        array._memory = self._model.memory[offset : offset + array.nbytes]
        weakref.finalize(array, self._used.pop, offset)
        return array

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        return self._model.clocks

    @property
    def seconds(self) -> float:
        """Simulated time since power-on."""
        return self.cycles / self._clock_hz

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    def _reserve(self, size: int) -> int:
        """The first room of whole pages between what is in use."""
        size = -(-max(size, 1) // _PAGE) * _PAGE
        offset = 0
        for used in sorted(self._used):
            if used - offset >= size:
                break
            offset = used + self._used[used]
        if offset + size > self._model.memory.size:
            raise RuntimeError(f"failed to allocate {size} bytes")
        self._used[offset] = size
        return offset


@dataclass
class _Registers:
    """PYNQ's `MMIO` and `DefaultIP`."""

    read: Callable[[int], int]
    write: Callable[[int, int], None]


class _Dma:
    """PYNQ's `DMA` in simple mode, without interrupts."""

    def __init__(self, model: AxiModel) -> None:
        self.mmio = _Registers(model.dma_read, model.dma_write)
        self.buffer_max_size = (1 << _LENGTH_BITS) - 1
        self.sendchannel = _Channel(self.mmio, _SEND, self.buffer_max_size)
        self.recvchannel = _Channel(self.mmio, _RECEIVE, self.buffer_max_size)


class _Channel:
    """One direction, by its registers as PYNQ's driver uses them."""

    def __init__(self, mmio: _Registers, offset: int, most: int) -> None:
        self._mmio = mmio
        self._offset = offset
        self._most = most
        self._buffer: SimulatedBuffer | None = None
        self._first = True
        self.transferred = 0
        self.start()

    @property
    def running(self) -> bool:
        return not self._mmio.read(self._offset + _STATUS) & _HALTED

    @property
    def idle(self) -> bool:
        return bool(self._mmio.read(self._offset + _STATUS) & _IDLE)

    @property
    def error(self) -> bool:
        return bool(self._mmio.read(self._offset + _STATUS) & _ERRORS)

    def start(self) -> None:
        self._mmio.write(self._offset + _CONTROL, 1)
        self._first = True

    def transfer(self, array: SimulatedBuffer, start: int = 0, nbytes: int = 0) -> None:
        if not self.running:
            raise RuntimeError("DMA channel not started")
        if not self.idle and not self._first:
            raise RuntimeError("DMA channel not idle")
        if not 0 < nbytes <= min(self._most, array.nbytes - start):
            raise ValueError(f"cannot transfer {nbytes} bytes")
        if self._offset == _SEND:
            array.flush()
        address = array.physical_address + start
        self._mmio.write(self._offset + _ADDRESS, address & 0xFFFFFFFF)
        self._mmio.write(self._offset + _ADDRESS_MSB, address >> 32)
        self._mmio.write(self._offset + _LENGTH, nbytes)
        self._buffer, self._first = array, False

    def wait(self) -> None:
        """Returns when the transfer is over; the caller has seen that before."""
        if not self.idle:
            raise RuntimeError("the driver waits without a time-out")
        if self._offset == _RECEIVE and self._buffer is not None:
            self._buffer.invalidate()
        self.transferred = self._mmio.read(self._offset + _LENGTH)
        self._buffer = None
