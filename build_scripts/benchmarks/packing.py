"""The PYNQ driver's packing of bits against FINN's, and its encoding, on one thread."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from finn.util.data_packing import finnpy_to_packed_bytearray
from numpy.typing import NDArray
from qonnx.core.datatype import DataType

from benchmarks.measure import Row, take_turns
from bnnedge.deployment.runtime.encoding import BitEncoding, IntegerEncoding


def packing(rounds: int) -> Iterator[Row]:
    """GB/s of the unpacked bits or of the pixels, a byte each."""
    yield from _encoding(rounds)
    for images, width in ((1000, 784), (1000, 800), (10_000, 784)):
        bits = np.random.default_rng(0).integers(0, 2, (images, width), dtype=np.uint8)
        encoding = BitEncoding(np.zeros(width, np.float32), np.zeros(width, np.bool_))
        assert (encoding.pack(bits) == _finn(bits)).all()
        calls = {
            "bnnedge": partial(encoding.pack, bits),
            "FINN, of uint8": partial(_finn, bits),
            "FINN, of float32": partial(_finn, bits.astype(np.float32)),
        }
        seconds = take_turns(calls, rounds)
        for engine, each in seconds.items():
            ours = engine == "bnnedge"
            yield Row(
                case=f"{images} x {width} bits packed",
                engine=engine,
                value=bits.nbytes / each / 1e9,
                unit="GB/s",
                ratio=seconds["FINN, of uint8"] / each if ours else None,
                peer="FINN, of uint8" if ours else "",
            )


def _encoding(rounds: int) -> Iterator[Row]:
    pixels = np.random.default_rng(0).integers(0, 256, (1000, 784), dtype=np.uint8)
    kinds: dict[str, BitEncoding | IntegerEncoding] = {
        "bits": BitEncoding(np.full(784, 128, np.float32), np.zeros(784, np.bool_)),
        "bytes": IntegerEncoding(np.arange(1, 256, dtype=np.float32)[None], 0, 1),
    }
    for name, encoding in kinds.items():
        calls = {
            "of uint8": partial(encoding.encode, pixels),
            "of float32": partial(encoding.encode, pixels.astype(np.float32)),
        }
        seconds = take_turns(calls, rounds)
        for engine, each in seconds.items():
            fast = engine == "of uint8"
            yield Row(
                case=f"1000 x 784 pixels encoded as {name}",
                engine=f"bnnedge, {engine}",
                value=pixels.nbytes / each / 1e9,
                unit="GB/s",
                ratio=seconds["of float32"] / each if fast else None,
                peer="of float32" if fast else "",
            )


def _finn(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """As FINN's driver calls it."""
    return finnpy_to_packed_bytearray(
        bits, DataType["BINARY"], reverse_endian=True, reverse_inner=True
    )
