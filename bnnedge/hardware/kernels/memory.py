"""Memory files: arrays as hexadecimal words for $readmemh."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import ceil_div, index_bits


def hex_words(bits: NDArray[np.uint8]) -> str:
    """Bits (words, width) → one hexadecimal word a line, bit 0 the lowest."""
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = ceil_div(bits.shape[1], 4)
    return "".join(row.tobytes().hex()[-digits:] + "\n" for row in packed)


def table_words(
    values: NDArray[np.int64], invert: NDArray[np.bool_] | None, *, pe: int, total_bits: int
) -> str:
    """The table of `result_stage`.

    Args:
        values: (row classes, column classes, rows), thresholds or corrections, as two's complement.
        invert: bool (rows,) on top of each threshold; None for corrections.
        pe: rows in a word.
        total_bits: of one value.
    """
    elements = (values[..., None] >> np.arange(total_bits)) & 1
    if invert is not None:
        flags = np.broadcast_to(invert[:, None], (*values.shape, 1))
        elements = np.concatenate([elements, flags], axis=-1)
    words = elements.astype(np.uint8).reshape(*values.shape[:2], values.shape[2] // pe, -1)
    if words.shape[:2] != (1, 1):
        sizes = [1 << index_bits(count) for count in words.shape[:3]]
        gaps = [(0, size - count) for size, count in zip(sizes, words.shape, strict=False)]
        words = np.pad(words, [*gaps, (0, 0)])
    return hex_words(words.reshape(-1, words.shape[-1]))


def index_words(indices: NDArray[np.int64]) -> str:
    """Small numbers, one a line."""
    return "".join(f"{index:x}\n" for index in indices)
