"""Frames on a serial line: the host's end of the UART protocol, version 1.

Every wait is a read with a time-out, and all of them together end at a deadline: a port that
simulates a board brings its own clock.
"""

from __future__ import annotations

import binascii
import contextlib
import math
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import AcceleratorError, DeviceError

PROTOCOL_VERSION = 1
_IDENTITY = struct.Struct("<cBBIHH")
_REPORT = struct.Struct("<cBIIII")
_CRC_BYTES = 2
_QUIET_CHUNK_BYTES = 256
# A device has at most a window of results to get rid of; one that sends more speaks otherwise.
_MOST_STALE_CHUNKS = 256
_FAULTS = {
    1: "the image's CRC was wrong",
    2: "the line was quiet inside an image",
    3: "a stop bit was low inside an image",
    4: "more images than the device has room for",
}

try:  # a port that is gone fails in pyserial's drain with this, which is no OSError
    import termios

    _PORT_ERRORS: tuple[type[Exception], ...] = (OSError, termios.error)
except ImportError:  # Windows
    _PORT_ERRORS = (OSError,)
_OPEN_ERRORS: tuple[type[Exception], ...] = (*_PORT_ERRORS, ValueError)

_Result = TypeVar("_Result")


class LineError(AcceleratorError):
    """A reply is late, damaged or a fault; sending again may help."""


@dataclass(frozen=True)
class Identity:
    """The device's answer to "who are you?".

    Attributes:
        protocol_version: of the device.
        window: images that may be unanswered at a time.
        id_word: hash of graph and folding.
        image_bytes: wanted per image.
        result_bytes: given per image.
    """

    protocol_version: int
    window: int
    id_word: int
    image_bytes: int
    result_bytes: int


@dataclass(frozen=True)
class Report:
    """What the device counted while it ran the images that it holds.

    Attributes:
        images: results that came.
        wrong_words: of results, that differ from those that it holds.
        first_cycles: from the first word that the network took to the last one of the first result.
        last_cycles: from the same to the last word of the last result.
    """

    images: int
    wrong_words: int
    first_cycles: int
    last_cycles: int

    @property
    def cycles_per_image(self) -> float:
        """Between two results, on average; of a single one, all that it took."""
        steady = self.last_cycles - self.first_cycles
        return steady / (self.images - 1) if self.images > 1 else self.last_cycles


@dataclass(frozen=True)
class Reply:
    """The result of the image with this tag."""

    tag: int
    result: bytes


def framed(frame: bytes) -> bytes:
    """`frame` with its CRC-16/IBM-3740, high byte first."""
    return frame + binascii.crc_hqx(frame, 0xFFFF).to_bytes(_CRC_BYTES, "big")


def open_port(name: str, baud: int, write_timeout_s: float) -> Any:
    """A `serial.Serial`. Raises DeviceError where it cannot be opened."""
    try:
        import serial
    except ImportError as error:
        raise DeviceError("pyserial is not installed; run: pip install pyserial") from error
    try:
        return serial.serial_for_url(
            name, baudrate=baud, timeout=write_timeout_s, write_timeout=write_timeout_s
        )
    except _OPEN_ERRORS as error:
        raise DeviceError(
            f"cannot open {name}: {error}; is the board plugged in, and may you use its port?"
        ) from error


class Link:
    """The host's end of the line.

    Args:
        port: `read(size)`, `write(data)`, `flush()`, `close()` and `timeout` as pyserial has them.
        name: what messages call the port.
        baud: bits per second, to know how long a frame takes.
        quiet_s: silence after which the device forgets a broken frame.
        grace_s: how much longer than its bits a frame may take on its way.
        clock: gives seconds, the port's.
    """

    def __init__(
        self,
        port: Any,
        *,
        name: str,
        baud: int,
        quiet_s: float,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._port = port
        self._baud = baud
        self._quiet_s = quiet_s
        self._grace_s = grace_s
        self._clock = clock
        self._patience_s = 0.0
        self._deadline = math.inf
        self._result_bytes = 0

    def close(self) -> None:
        """Close the port, though it be gone."""
        with contextlib.suppress(*_PORT_ERRORS):
            self._port.close()

    def be_patient(self, attempts: int, reply_s: float) -> None:
        """From now on the device has time for so many attempts; then waiting is a DeviceError.

        Args:
            attempts: each begins with silence and the device's identity.
            reply_s: seconds for the replies of an attempt beyond the grace time.
        """
        identity_s = 4 * self._quiet_s + 2 * self._grace_s + self.seconds(_IDENTITY.size)
        self._patience_s = attempts * (identity_s + 2 * self._grace_s + reply_s)
        self._deadline = self._clock() + self._patience_s

    def identify(self) -> Identity:
        """Find the thread again: silence, then the device's identity.

        Raises:
            LineError: nothing or something damaged came back.
            DeviceError: the line never falls silent, or the port is gone.
        """
        self._wait_for_quiet()
        self._write(b"I")
        letter = self._read(1, extra_s=0.0)
        if letter != b"i":
            raise LineError(f"wanted an identity, got a frame that begins with {letter!r}")
        body = self._rest(letter, _IDENTITY.size)
        identity = Identity(*_IDENTITY.unpack(body)[1:])
        self._result_bytes = identity.result_bytes
        return identity

    def send(self, tag: int, image: bytes) -> None:
        """Ask for the result of one image. Raises DeviceError where the port is gone."""
        self._write(framed(b"R" + bytes([tag]) + image))

    def receive(self, *, extra_s: float) -> Reply:
        """The next result.

        Args:
            extra_s: how long its first byte may take beyond the grace time.

        Raises:
            LineError: it is late, damaged, or a fault.
            DeviceError: the port is gone.
        """
        self._begin(b"r", "a result", extra_s=extra_s)
        frame = self._rest(b"r", 2 + self._result_bytes)
        return Reply(tag=frame[1], result=frame[2:])

    def measure(self, rounds: int, *, extra_s: float) -> Report:
        """Have the device run the images that it holds, so many times, and report.

        Args:
            rounds: 1 to 256.
            extra_s: how long that may take beyond the grace time.

        Raises:
            LineError: the report is late, damaged, or a fault.
            DeviceError: the port is gone.
        """
        self._write(framed(b"M" + bytes([rounds % 256])))
        self._begin(b"m", "a report", extra_s=extra_s)
        return Report(*_REPORT.unpack(self._rest(b"m", _REPORT.size))[2:])

    def seconds(self, size: int) -> float:
        """How long `size` bytes take on the line, start and stop bits included."""
        return 10 * size / self._baud

    def _begin(self, letter: bytes, what: str, *, extra_s: float) -> None:
        """Raise LineError unless a frame with this letter begins in time."""
        got = self._read(1, extra_s=extra_s)
        if got == b"e":
            fault = self._rest(got, 3)[2]
            raise LineError(f"the device reports: {_FAULTS.get(fault, f'fault {fault}')}")
        if got != letter:
            raise LineError(f"wanted {what}, got a frame that begins with {got!r}")

    def _rest(self, letter: bytes, size: int) -> bytes:
        """The frame of `size` bytes that begins with `letter`, its CRC checked and taken off."""
        frame = letter + self._read(size + _CRC_BYTES - 1, extra_s=0.0)
        if framed(frame[:size]) != frame:
            raise LineError("a reply arrived damaged (its CRC is wrong)")
        return frame[:size]

    def _wait_for_quiet(self) -> None:
        self._guard(self._port.flush)
        stale = 0
        while True:
            data = self._read_within(2 * self._quiet_s, _QUIET_CHUNK_BYTES)
            if not data:
                return
            stale += 1
            if stale > _MOST_STALE_CHUNKS:
                raise DeviceError(
                    f"{self.name} never falls silent at {self._baud} baud;"
                    " is it another device's port, or another baud rate?"
                )

    def _read(self, size: int, *, extra_s: float) -> bytes:
        timeout_s = self._grace_s + self.seconds(size) + extra_s
        data = self._read_within(timeout_s, size)
        if len(data) < size:
            raise LineError(f"wanted {size} bytes within {timeout_s:.3g} s, got {len(data)}")
        return data

    def _read_within(self, timeout_s: float, size: int) -> bytes:
        left_s = self._deadline - self._clock()
        # What has arrived by then is still read: this process may have been stopped meanwhile.
        wait_s = max(0.0, min(timeout_s, left_s))

        def read() -> bytes:
            if self._port.timeout != wait_s:  # setting it costs system calls
                self._port.timeout = wait_s
            return bytes(self._port.read(size))

        data = self._guard(read)
        if wait_s < timeout_s and len(data) < size:
            raise DeviceError(
                f"{self.name}: {self._patience_s:.3g} s without what was asked for; is it another"
                " device's port, or is the line disturbed?"
            )
        return data

    def _write(self, data: bytes) -> None:
        self._guard(lambda: self._port.write(data))

    def _guard(self, action: Callable[[], _Result]) -> _Result:
        try:
            return action()
        except _PORT_ERRORS as error:
            raise DeviceError(f"{self.name} is gone: {error}; is the board plugged in?") from error
