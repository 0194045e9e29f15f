"""The accelerator on a serial line."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .accelerator import Accelerator
from .errors import DeviceError, InputError
from .host import Host
from .link import PROTOCOL_VERSION, Identity, LineError, Link, Report, open_port
from .manifest import Manifest, read_common
from .record import Record

FRAME_OVERHEAD_BYTES = 4  # letter, tag and CRC around an image or a result
_MOST_IMAGE_BYTES = (1 << 16) - 1  # the device's identity has 16 bits for it
_MOST_BAUD_ERROR = 0.05  # of a UART, after which its stop bit is missed
_GRACE_S = 0.5  # USB, operating system
_ATTEMPTS = 4  # without any progress, before the device is given up
_TAGS = 256
_DIFFERENT_IMAGES = 1024
_MOST_ROUNDS = 256
_MEASURED_CYCLES = 100_000
_MOST_STRANGERS = 2 * _TAGS  # results in a row that nobody asked for, before it is given up


@dataclass(frozen=True)
class SerialManifest(Manifest):
    """What `manifest.json` says of a device on a serial line.

    Attributes:
        loader_board: what openFPGALoader calls the board.
        protocol_version: of the UART protocol.
        clocks_per_bit: divisor of the UART, fixed in the bitstream.
        baud: what the host sets.
        quiet_ms: silence after which the device forgets a broken frame.
        window: images that may be unanswered at a time.
        stored_images: that the device holds with their results, see `SerialAccelerator.measure`.
    """

    interface = "uart"

    loader_board: str
    protocol_version: int
    clocks_per_bit: int
    baud: int
    quiet_ms: float
    window: int
    stored_images: int

    @classmethod
    def read(cls, record: Record, device: Record) -> SerialManifest:
        """See the base class."""
        common = read_common(record, device, _MOST_IMAGE_BYTES)
        loader_board = record.text("loader_board")
        if loader_board.startswith("-"):
            raise ValueError(f"loader_board: {loader_board!r} is no board")
        clocks_per_bit = device.integer("clocks_per_bit", 1, 1 << 24)
        baud = device.integer("baud", 300, 1 << 28)
        if abs(baud * clocks_per_bit / common["clock_hz"] - 1) > _MOST_BAUD_ERROR:
            raise ValueError(
                f"device.baud: {baud} is not about {common['clock_hz']} Hz / {clocks_per_bit}"
            )
        return cls(
            **common,
            loader_board=loader_board,
            protocol_version=device.integer("protocol_version", 0, 255),
            clocks_per_bit=clocks_per_bit,
            baud=baud,
            quiet_ms=device.number("quiet_ms", 1e-3, 1000.0),
            window=device.integer("window", 1, 255),
            stored_images=(
                device.integer("stored_images", 0, 1 << 20) if "stored_images" in device else 0
            ),
        )

    @property
    def loader(self) -> str:
        """See the base class."""
        return self.loader_board

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
class Throughput:
    """What `SerialAccelerator.throughput_test` measured.

    Attributes:
        images: how many were run.
        seconds: from the first byte sent to the last one received.
        images_per_s: images / seconds.
        bound_images_per_s: what line and network allow at most; USB delays come on top.
    """

    images: int
    seconds: float
    images_per_s: float
    bound_images_per_s: float


class SerialAccelerator(Accelerator):
    """A board on a serial line. Close it, or use it in a `with` statement.

    Attributes:
        manifest: the package's.
        identity: what the device said of itself.
        resent: images sent again so far, because a frame was late or damaged.
    """

    manifest: SerialManifest

    def __init__(
        self, host: Host, link: Link, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask the device who it is; `load` is the ordinary way here.

        Args:
            host: the package's host side.
            link: an open line; closed with the accelerator.
            clock: gives seconds, for `throughput_test`.

        Raises:
            DeviceError: nothing answers, or not the packaged network.
        """
        super().__init__(host, link.name)
        self.resent = 0
        self._link = link
        self._clock = clock
        self._next_tag = 0
        self._link.be_patient(_ATTEMPTS, 0.0)
        self.identity: Identity = self._identify()

    def found(self) -> dict[str, Any]:
        """See the base class."""
        return {
            "resent": self.resent,
            "clocks_per_bit": self.manifest.clocks_per_bit,
            "quiet_ms": self.manifest.quiet_ms,
        }

    def close(self) -> None:
        """Close the port."""
        self._link.close()

    def throughput_test(self, images: int = 256, seed: int = 0) -> Throughput:
        """Run random images (encoded ones: encoding takes no part) and measure.

        From the 1,025th on they come again.

        Raises:
            InputError: `images` is less than 1.
            DeviceError: the device does not answer, or not as it should.
        """
        if images < 1:
            raise InputError(f"throughput: wanted 1 image or more, got {images}")
        elements = self._host.random_elements(min(images, _DIFFERENT_IMAGES), seed)
        encoded = np.resize(self._host.pack(elements), (images, self.manifest.input_bytes))
        start = self._clock()
        received = self._exchange(encoded)
        seconds = self._clock() - start
        self._host.decode(received)
        return Throughput(
            images=images,
            seconds=seconds,
            images_per_s=images / seconds,
            bound_images_per_s=self.manifest.bound_images_per_s,
        )

    def measure(self, rounds: int | None = None) -> Report | None:
        """See the base class."""
        manifest, stored = self.manifest, self.manifest.stored_images
        if not stored:
            return None
        round_cycles = stored * manifest.interval_cycles
        if rounds is None:
            rounds = min(_MOST_ROUNDS, max(1, _MEASURED_CYCLES // round_cycles))
        if not 1 <= rounds <= _MOST_ROUNDS:
            raise InputError(f"measure: wanted 1 to {_MOST_ROUNDS} rounds, got {rounds}")
        cycles = 4 * (rounds * round_cycles + manifest.latency_cycles)
        report_s = cycles / manifest.clock_hz
        self._link.be_patient(_ATTEMPTS, report_s)
        for attempt in range(_ATTEMPTS):
            try:
                report = self._link.measure(rounds, extra_s=report_s)
                break
            except LineError as error:
                if attempt == _ATTEMPTS - 1:
                    raise DeviceError(
                        f"{self.name}: no report in {_ATTEMPTS} attempts: {error}"
                    ) from error
                self._identify()
        if (report.images, report.wrong_words) != (rounds * stored, 0):
            raise DeviceError(
                f"{self.name}: wanted {rounds * stored} right results of the images that it holds,"
                f" got {report.images} with {report.wrong_words} wrong words"
            )
        return report

    def _elements(self, batch: Any) -> np.ndarray[Any, Any]:
        return self._host.decode(self._exchange(self._host.pack(self._host.encode(batch))))

    def _exchange(
        self, images: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Encoded images (N, input_bytes) → results (N, output_bytes), uint8."""
        manifest = self.manifest
        results = np.empty((len(images), manifest.output_bytes), np.uint8)
        waiting = collections.deque(range(len(images)))
        under_way: dict[int, int] = {}  # tag → image
        failures = strangers = 0
        reply_s = 2 * self.identity.window * manifest.image_s
        self._link.be_patient(_ATTEMPTS, reply_s)
        while waiting or under_way:
            while waiting and len(under_way) < self.identity.window:
                number = waiting.popleft()
                under_way[self._next_tag] = number
                self._link.send(self._next_tag, images[number].tobytes())
                self._next_tag = (self._next_tag + 1) % _TAGS
            try:
                reply = self._link.receive(extra_s=reply_s)
            except LineError as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise DeviceError(
                        f"{self.name}: no result in {_ATTEMPTS} attempts: {error}"
                    ) from error
                self.resent += len(under_way)
                waiting.extendleft(sorted(under_way.values(), reverse=True))
                under_way.clear()
                self._identify()
                continue
            if reply.tag not in under_way:  # of an image that was sent again
                strangers += 1
                if strangers > _MOST_STRANGERS:
                    raise DeviceError(
                        f"{self.name} sends results that nobody asked for; is it another device's"
                        " port, or does another program use it?"
                    )
                continue
            # Results come in order: the ones before this were lost without a trace.
            order = list(under_way)
            for tag in reversed(order[: order.index(reply.tag)]):
                waiting.appendleft(under_way.pop(tag))
                self.resent += 1
            results[under_way.pop(reply.tag)] = np.frombuffer(reply.result, np.uint8)
            failures = strangers = 0
            self._link.be_patient(_ATTEMPTS, reply_s)
        return results

    def _identify(self) -> Identity:
        manifest, name = self.manifest, self.name
        for attempt in range(_ATTEMPTS):
            try:
                identity = self._link.identify()
                break
            except LineError as error:
                if attempt == _ATTEMPTS - 1:
                    raise DeviceError(
                        f"{name} does not answer at {manifest.baud} baud ({error}); is the board"
                        f" on, programmed with this package's bitstream, and on this port?"
                    ) from error
        if identity.protocol_version != PROTOCOL_VERSION:
            raise DeviceError(
                f"{name}: wanted protocol version {PROTOCOL_VERSION},"
                f" got {identity.protocol_version}; program this package's bitstream"
            )
        if identity.id_word != manifest.id_word:
            raise DeviceError(
                f"{name} runs another network: wanted id {manifest.id_word:#010x}"
                f" ({manifest.network}), got {identity.id_word:#010x};"
                " program this package's bitstream"
            )
        wanted = (manifest.input_bytes, manifest.output_bytes)
        got = (identity.image_bytes, identity.result_bytes)
        if wanted != got or identity.window < 1:
            raise DeviceError(
                f"{name}: wanted {wanted[0]} bytes per image and {wanted[1]} per result,"
                f" got {got[0]} and {got[1]}, window {identity.window};"
                " program this package's bitstream"
            )
        return identity


def open_serial(host: Host, package: Path, *, port: str | None, **_: Any) -> SerialAccelerator:
    """Open the packaged network on a board at a serial port.

    Args:
        host: of a package for such a board.
        package: its folder.
        port: the port's name, e.g. "/dev/ttyUSB0" or "COM3".

    Raises:
        DeviceError: the port cannot be opened, or the device is not the packaged network.
    """
    if port is None:
        raise DeviceError(
            f"{package} is for {host.manifest.board}: name its serial port, e.g."
            " --port /dev/ttyUSB0"
        )
    manifest = host.manifest
    assert isinstance(manifest, SerialManifest)
    # A write waits until the operating system has room: for a whole window of images, at worst.
    write_s = _GRACE_S + manifest.window * manifest.image_line_s
    opened = open_port(port, manifest.baud, write_s)
    return on_port(host, opened, package, name=port, grace_s=_GRACE_S)


def on_port(
    host: Host,
    port: Any,
    package: Path,
    *,
    grace_s: float,
    name: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    **_: Any,
) -> SerialAccelerator:
    """The packaged network behind what is as a `serial.Serial`; closed where it is not there.

    Args:
        host: of a package for such a board.
        port: see `Link`.
        package: the package, or its bitstream.
        grace_s: how long a reply may take beyond its bits (USB, operating system).
        name: what messages call the port; its own name otherwise.
        clock: gives seconds, the port's.

    Raises:
        DeviceError: the device is not the packaged network.
    """
    manifest = host.manifest
    assert isinstance(manifest, SerialManifest)
    link = Link(
        port,
        name=name or port.name,
        baud=manifest.baud,
        quiet_s=manifest.quiet_ms / 1000,
        grace_s=grace_s,
        clock=clock,
    )
    try:
        return SerialAccelerator(host, link)
    except BaseException:
        link.close()
        raise
