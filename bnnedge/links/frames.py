"""The serial protocol's frames as bytes (docs/reference/serial-protocol.md describes them)."""

import binascii
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.design import Design
from bnnedge.errors import SimulationError

PROTOCOL_VERSION = 1
IDENTIFY = b"I"
_IDENTITY = struct.Struct("<cBBIHH")
_REPORT = struct.Struct("<cBIIII")
_CRC_BYTES = 2
FRAME_OVERHEAD_BYTES = 4  # letter, tag and CRC around an image or a result
IDENTITY_BYTES = _IDENTITY.size + _CRC_BYTES
REPORT_BYTES = _REPORT.size + _CRC_BYTES


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device says of itself."""

    version: int
    window: int
    id_word: int
    image_bytes: int
    result_bytes: int


def _crc(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(_CRC_BYTES, "big")


def image_frame(tag: int, design: Design, encoded: NDArray[Any]) -> bytes:
    """The command that runs one encoded image of F elements."""
    body = b"R" + bytes([tag % 256]) + design.pack(encoded[None]).tobytes()
    return body + _crc(body)


def measure_frame(rounds: int) -> bytes:
    """The command that runs the stored images 1 to 256 times."""
    body = b"M" + bytes([rounds % 256])
    return body + _crc(body)


def result_frame_bytes(design: Design) -> int:
    """Bytes of a reply with a result."""
    return 2 + design.output_beats * design.output_width_bits // 8 + _CRC_BYTES


def parse_identity(reply: bytes) -> Identity:
    """Interpret the answer to `I`.

    Raises:
        SimulationError: it is none, its CRC is wrong, or it is of another protocol version.
    """
    letter, version, window, id_word, image_bytes, result_bytes = _IDENTITY.unpack(
        _checked(reply, b"i")
    )
    if version != PROTOCOL_VERSION:
        raise SimulationError(
            f"{letter!r} frame: wanted protocol version {PROTOCOL_VERSION}, got {version}"
        )
    return Identity(
        version=version,
        window=window,
        id_word=id_word,
        image_bytes=image_bytes,
        result_bytes=result_bytes,
    )


def parse_report(reply: bytes) -> tuple[int, int, int, int]:
    """Interpret the answer to `M`.

    Returns:
        Results, wrong words, and the cycles to the end of the first and of the last result.

    Raises:
        SimulationError: it is none, or its CRC is wrong.
    """
    _, _, results, wrong, first, last = _REPORT.unpack(_checked(reply, b"m"))
    return results, wrong, first, last


def parse_result(reply: bytes, tag: int, design: Design) -> NDArray[np.int64]:
    """Interpret a reply to the image with `tag`: (K,) accumulators or (k,) classes, int64.

    Raises:
        SimulationError: it is a fault, of another image, or its CRC is wrong.
    """
    body = _checked(reply, b"r")
    if body[1] != tag % 256:
        raise SimulationError(f"result frame: wanted tag {tag % 256}, got {body[1]}")
    kind = ("i" if design.output_signed else "u") + str(design.output_element_bits // 8)
    values = np.frombuffer(body[2:], f"<{kind}", count=design.output_elements)
    return values.astype(np.int64)


def _checked(reply: bytes, letter: bytes) -> bytes:
    """A frame without its CRC."""
    if reply[:1] != letter or _crc(reply[:-_CRC_BYTES]) != reply[-_CRC_BYTES:]:
        raise SimulationError(f"wanted a {letter!r} frame with a right CRC, got {reply.hex()}")
    return reply[:-_CRC_BYTES]
