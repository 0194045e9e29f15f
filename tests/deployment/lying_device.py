"""Devices that lie, late or for ever, on a port with a clock of its own."""

import heapq
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bnnedge.dataflow import Dataflow
from bnnedge.deployment.runtime import Host, SerialAccelerator, SerialManifest
from bnnedge.deployment.runtime.link import Link
from tests.deployment.fake_device import dot_products, framed

BAUD = 1_000_000
QUIET_S = 0.05
GRACE_S = 0.5

Answer = Callable[["LyingDevice", int, int, bytes], None]


class LyingDevice:
    """A device whose replies to images are what `answer` sends, by `say`.

    Attributes:
        now: seconds on its clock, which runs while somebody reads.
        answer: called with the device, the number of the request, its tag and the right frame.
        identity: frames of the identity, by the number of the question.
        chatter: sent for ever, `period_s` apart, from `since` on; nothing where it is empty.
        reads: calls of `read`.
    """

    name = "liar"

    def __init__(self, package: Path, answer: Answer | None = None) -> None:
        self.host, dataflow = Host.load(package), Dataflow.load(package / "dataflow")
        self.compute = dot_products(
            self.host,
            lambda bits: dataflow.accumulators_of(bits.reshape(-1, *dataflow.input.output_shape)),
        )
        self.answer = answer or (lambda device, number, tag, frame: device.say(frame))
        self.identity: Callable[[int], bytes] = lambda number: self.identified()
        self.chatter: Callable[[int], bytes] = lambda number: b""
        self.period_s, self.since = 0.1, 0.0
        self.now = self.timeout = 0.0
        self.reads = self.questions = self.requests = self._said = self._chats = 0
        self._in, self._out = b"", b""
        self._later: list[tuple[float, int, bytes]] = []

    def identified(self, **other: int) -> bytes:
        """The right identity's frame, but for some fields."""
        manifest = self.host.manifest
        fields = {
            "version": 1,
            "window": 4,
            "id_word": manifest.id_word,
            "image_bytes": manifest.input_bytes,
            "result_bytes": manifest.output_bytes,
            **other,
        }
        return framed(struct.pack("<cBBIHH", b"i", *fields.values()))

    def say(self, data: bytes, delay_s: float = 0.0) -> None:
        """Send bytes, so much later than now."""
        heapq.heappush(self._later, (self.now + delay_s, self._said, data))
        self._said += 1

    def write(self, data: bytes) -> int:
        self._in += data
        size = self.host.manifest.input_bytes + 4
        while self._in:
            if self._in[:1] == b"I":
                self._in = self._in[1:]
                self.say(self.identity(self.questions))
                self.questions += 1
            elif len(self._in) >= size:
                frame, self._in = self._in[:size], self._in[size:]
                assert frame[:1] == b"R" and framed(frame[:-2]) == frame
                self.answer(
                    self,
                    self.requests,
                    frame[1],
                    framed(b"r" + frame[1:2] + self.compute(frame[2:-2])),
                )
                self.requests += 1
            else:
                break
        return len(data)

    def read(self, size: int = 1) -> bytes:
        self.reads += 1
        end = self.now + self.timeout
        while len(self._out) < size:
            chat_at = max(self.since, self.period_s * (self._chats + 1))
            chat = self.chatter(self._chats)
            if chat and chat_at <= end and (not self._later or chat_at < self._later[0][0]):
                self._chats += 1
                self.now, self._out = max(self.now, chat_at), self._out + chat
            elif self._later and self._later[0][0] <= end:
                at, _, data = heapq.heappop(self._later)
                self.now, self._out = max(self.now, at), self._out + data
            else:
                self.now = end
                break
        data, self._out = self._out[:size], self._out[size:]
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def opened(device: LyingDevice) -> SerialAccelerator:
    """The driver at a lying device; its clock is the device's."""
    link = Link(
        device,
        name=device.name,
        baud=BAUD,
        quiet_s=QUIET_S,
        grace_s=GRACE_S,
        clock=lambda: device.now,
    )
    return SerialAccelerator(device.host, link)


def most_s(host: Host) -> float:
    """Seconds within which every image has a result, or the driver gives the device up."""
    assert isinstance(host.manifest, SerialManifest)
    attempt_s = 5 * GRACE_S + 4 * QUIET_S + 8 * host.manifest.image_s
    return 4 * attempt_s


def noise(random: np.random.Generator, size: int) -> bytes:
    return random.integers(0, 256, size, dtype=np.uint8).tobytes()
