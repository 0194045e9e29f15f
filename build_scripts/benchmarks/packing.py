"""The PYNQ driver's packing of bits against FINN's, on one thread."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from finn.util.data_packing import finnpy_to_packed_bytearray
from numpy.typing import NDArray
from qonnx.core.datatype import DataType

from benchmarks.measure import Row, take_turns
from bnnedge.deployment.runtime.encoding import BitEncoding


def packing(rounds: int) -> Iterator[Row]:
    """GB/s of the unpacked bits, a byte each."""
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


def _finn(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """As FINN's driver calls it."""
    return finnpy_to_packed_bytearray(
        bits, DataType["BINARY"], reverse_endian=True, reverse_inner=True
    )
