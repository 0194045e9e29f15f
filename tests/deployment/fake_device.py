"""A device that speaks the protocol, in Python, behind pyserial's interface: for driver tests."""

import binascii
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bnnedge.deployment.runtime import Host, Manifest
from bnnedge.deployment.runtime.encoding import IntegerEncoding


def framed(frame: bytes) -> bytes:
    """With its CRC, written here again so that the driver is not checked with itself."""
    return frame + binascii.crc_hqx(frame, 0xFFFF).to_bytes(2, "big")


class FakeDevice:
    """Answers at once; a read that finds nothing times out, and that is when silence begins.

    Attributes:
        compute: one image's bytes → its result's bytes.
        mangle: applied to every outgoing frame; returns the bytes that arrive.
        sent: frames so far, outgoing.
        most_waiting: the most images that were ever unanswered.
        idle_reads: reads that found nothing.
    """

    name = "fake"

    def __init__(self, manifest: Manifest, compute: Callable[[bytes], bytes]) -> None:
        self.timeout = 0.0
        self.manifest = manifest
        self.compute = compute
        self.mangle: Callable[[int, bytes], bytes] = lambda number, frame: frame
        self.identity = struct.pack(
            "<cBBIHH", b"i", 1, 4, manifest.id_word, manifest.input_bytes, manifest.output_bytes
        )
        self.sent = 0
        self.most_waiting = 0
        self.idle_reads = 0
        self.closed = False
        self.tags: list[int] = []
        self._in = b""
        self._out = b""
        self._waiting: list[tuple[int, bytes]] = []

    def write(self, data: bytes) -> int:
        self._in += data
        size = self.manifest.input_bytes + 4
        while self._in:
            if self._in[:1] == b"I":
                self._in = self._in[1:]
                self._send(self.identity)
            elif len(self._in) >= size:
                frame, self._in = self._in[:size], self._in[size:]
                assert frame[:1] == b"R" and framed(frame[:-2]) == frame
                self.tags.append(frame[1])
                self._waiting.append((frame[1], frame[2:-2]))
                self.most_waiting = max(self.most_waiting, len(self._waiting))
            else:
                break
        return len(data)

    def read(self, size: int = 1) -> bytes:
        while not self._out and self._waiting:
            tag, image = self._waiting.pop(0)
            self._send(b"r" + bytes([tag]) + self.compute(image))
        data, self._out = self._out[:size], self._out[size:]
        self.idle_reads += not data
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def _send(self, frame: bytes) -> None:
        self._out += self.mangle(self.sent, framed(frame))
        self.sent += 1


def elements_of(image: bytes, host: Host) -> NDArray[np.int64]:
    """The encoded elements (F,) in an image's bytes; what follows them must be 0."""
    manifest, encoding = host.manifest, host.encoding
    count, bits = manifest.input_elements, manifest.input_element_bits
    if bits == 1:
        stored = np.unpackbits(np.frombuffer(image, np.uint8), bitorder="little")
    else:
        assert isinstance(encoding, IntegerEncoding)
        kind = "i" if encoding.smallest < 0 else "u"
        stored = np.frombuffer(image, f"<{kind}{bits // 8}")
    assert not stored[count:].any()
    return stored[:count].astype(np.int64)


def dot_products(
    host: Host, answer: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> Callable[[bytes], bytes]:
    """A `compute` that packs `answer(encoded (1, F))` (int64, K) as the hardware does."""
    manifest = host.manifest
    kind = "i" if manifest.output_signed else "u"

    def compute(image: bytes) -> bytes:
        values = answer(elements_of(image, host)[None])[0].astype(
            f"<{kind}{manifest.output_element_bits // 8}"
        )
        return bytes(values.tobytes().ljust(manifest.output_bytes, b"\0"))

    return compute
