"""A simulated board behind pyserial's interface: the Verilator model of the very `uart_device`.

The runtime's driver reads and writes a `SimulatedSerial` as it does a `serial.Serial`. Time passes
in `read` and `flush` only and is the device's own: time-outs are simulated seconds, and nothing
depends on how fast this machine is. Frames can be disturbed on the way, in both directions.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from bnnedge.links.base import SimulatedBoard
from bnnedge.verilated.serial import SerialModel

_FRAME_BITS = 10


@dataclass(frozen=True, kw_only=True)
class LineFaults:
    """What goes wrong on the line; bytes and bits are counted from the first one sent.

    Attributes:
        flipped_to_device: line bits towards the device that arrive inverted; byte n owns bits
            10 n (its start bit) to 10 n + 9 (its stop bit).
        flipped_to_host: data bits towards the host that arrive inverted; byte n owns 8 n to
            8 n + 7.
        dropped_to_device: bytes towards the device that never arrive.
        dropped_to_host: bytes towards the host that never arrive.
        silent: nothing arrives at the host.
    """

    flipped_to_device: frozenset[int] = frozenset()
    flipped_to_host: frozenset[int] = frozenset()
    dropped_to_device: frozenset[int] = frozenset()
    dropped_to_host: frozenset[int] = frozenset()
    silent: bool = False


class SimulatedSerial(SimulatedBoard):
    """The part of `serial.Serial` that the driver uses, on a compiled model of the device.

    Args:
        library: what `compile_serial_model` made of `uart_device`.
        data_folder: where the design's memory files are.
        clock_hz: the device's clock.
        clocks_per_bit: the host's bit time in device clocks; may be fractional.
        grace_s: see the base class.
        faults: disturbances, for tests.

    Attributes:
        timeout: simulated seconds that `read` waits, as pyserial's.
    """

    name = "the simulated board"

    def __init__(
        self,
        library: Path,
        *,
        data_folder: Path,
        clock_hz: int,
        clocks_per_bit: float,
        grace_s: float = 0.0,
        faults: LineFaults | None = None,
    ) -> None:
        self.timeout = 0.0
        self.grace_s = grace_s
        self._clock_hz = clock_hz
        self._clocks_per_bit = clocks_per_bit
        self._faults = faults or LineFaults()
        self._sent = 0
        self._received = 0
        self._line_free_at = 0.0
        self._model = SerialModel(library, clocks_per_bit=clocks_per_bit, data_folder=data_folder)

    @property
    def cycles(self) -> int:
        """Clock cycles since power-on."""
        return self._model.clocks

    @property
    def seconds(self) -> float:
        """Simulated time since power-on."""
        return self.cycles / self._clock_hz

    def write(self, data: bytes) -> int:
        """Queue bytes for the device, as pyserial does; returns their number."""
        faults = self._faults
        first, self._sent = self._sent, self._sent + len(data)
        for number, byte in enumerate(data, first):
            if number in faults.dropped_to_device:
                self._model.hold(1, _FRAME_BITS * self._clocks_per_bit)
                continue
            bits = range(number * _FRAME_BITS, (number + 1) * _FRAME_BITS)
            if faults.flipped_to_device.isdisjoint(bits):
                self._model.write(bytes([byte]))
                continue
            frame = byte << 1 | 1 << (_FRAME_BITS - 1)
            for place, bit in enumerate(bits):
                level = (frame >> place & 1) ^ (bit in faults.flipped_to_device)
                self._model.hold(level, self._clocks_per_bit)
        busy = len(data) * _FRAME_BITS * self._clocks_per_bit
        self._line_free_at = max(self._line_free_at, self.cycles) + busy
        return len(data)

    def flush(self) -> None:
        """Let time pass until everything written is on its way."""
        left = math.ceil(self._line_free_at - self.cycles)
        if left > 0:
            self._model.wait(left)

    def read(self, size: int = 1) -> bytes:
        """At most `size` bytes; fewer, or none, after `timeout` simulated seconds.

        Raises:
            SimulationError: the device broke one of its own assertions.
        """
        deadline = self.cycles + round(self.timeout * self._clock_hz)
        data = b""
        while len(data) < size:
            left = max(0, deadline - self.cycles)
            arrived = self._model.read(size - len(data), timeout_clocks=left)
            data += self._disturbed(arrived)
            if left == 0:
                break
        return data

    def close(self) -> None:
        """Free the model; a second call does nothing."""
        self._model.close()

    def _disturbed(self, data: bytes) -> bytes:
        """What arrives of the bytes that come after those received before."""
        faults = self._faults
        first, self._received = self._received, self._received + len(data)
        if faults.silent:
            return b""
        arrived = bytearray()
        for number, byte in enumerate(data, first):
            if number in faults.dropped_to_host:
                continue
            noise = sum(1 << bit for bit in range(8) if 8 * number + bit in faults.flipped_to_host)
            arrived.append(byte ^ noise)
        return bytes(arrived)
