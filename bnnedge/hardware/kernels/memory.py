"""What kernels hold in memories: arrays, and hexadecimal words for $readmemh."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import ceil_div, index_bits, slice_bits
from bnnedge.errors import DesignError


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """Constants, in words of an element for each lane.

    Attributes:
        name: of its files: a path, relative to the RTL folder, without an ending.
        bits: uint8 (words, lanes, bits of an element), the lowest bit first.
        lane_files: every lane has a file; else one has whole words, lane 0 in the low bits.
        pieces: words in each of several pieces, which are in slices of `slice_bits`, each in a
            file; empty: one file has all of them.
        readers: of the only lane, where several read it at once.
    """

    name: str
    bits: NDArray[np.uint8]
    lane_files: bool = False
    pieces: tuple[int, ...] = ()
    readers: int = 1

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files."""
        return tuple(self._places)

    @property
    def texts(self) -> Mapping[str, str]:
        """Contents of its files by name."""
        flat = self.bits.reshape(len(self.bits), -1)
        return {name: hex_words(flat[place]) for name, place in self._places.items()}

    @property
    def _places(self) -> Mapping[str, tuple[slice, slice]]:
        """What of (words, bits of a word) every file has."""
        words, lanes, width = self.bits.shape
        if self.lane_files:
            return {
                f"{self.name}_{lane:03}.mem": np.s_[:words, lane * width : (lane + 1) * width]
                for lane in range(lanes)
            }
        total, base = lanes * width, 0
        if not self.pieces:
            return {f"{self.name}.mem": np.s_[:words, :total]}
        places = {}
        for piece, depth in enumerate(self.pieces):
            step = slice_bits(depth, total)
            for index, low in enumerate(range(0, total, step)):
                place = np.s_[base : base + depth, low : min(low + step, total)]
                places[f"{self.name}_{piece}_{index:03}.mem"] = place
            base += depth
        return places

    def as_in(self, folder: Path) -> "Memory":
        """The same memory with the words in `folder`, where somebody may have edited them.

        Raises:
            DesignError: a file there holds something else, or not as many words.
        """
        found = {name: (folder / name).read_text(encoding="utf-8") for name in self.files}
        if found == self.texts:
            return self
        flat = self.bits.reshape(len(self.bits), -1).copy()
        for name, place in self._places.items():
            flat[place] = _bits_in(found[name], Path(name).name, shape=flat[place].shape)
        return dataclasses.replace(self, bits=flat.reshape(self.bits.shape))


def _bits_in(text: str, name: str, *, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The inverse of `hex_words`."""
    words, width = shape
    try:
        numbers = [int(word, 16) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != words or not all(0 <= number < 1 << width for number in numbers):
        raise DesignError(
            f"{name}: wanted hexadecimal words, {words} of {width} bits",
            remedy="run bnnedge rtl again",
        )
    packed = b"".join(number.to_bytes(ceil_div(width, 8), "little") for number in numbers)
    rows = np.frombuffer(packed, np.uint8).reshape(words, -1)
    return np.unpackbits(rows, axis=1, count=width, bitorder="little")


def file_of(memory: Memory | None) -> str:
    """What a parameter of the module calls a memory: its file, what several begin with, ""."""
    if memory is None:
        return ""
    return memory.name if memory.lane_files or memory.pieces else memory.files[0]


def bits_of(values: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """Integers (…) → their `width` bits in two's complement, uint8 (…, width), bit 0 first."""
    return ((values[..., None] >> np.arange(width)) & 1).astype(np.uint8)


def hex_words(bits: NDArray[np.uint8]) -> str:
    """Bits (words, width) → one hexadecimal word a line, bit 0 the lowest."""
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    text, row, digits = packed.tobytes().hex(), 2 * packed.shape[1], ceil_div(bits.shape[1], 4)
    return "".join(f"{text[end - digits : end]}\n" for end in range(row, len(text) + 1, row))


def table_bits(
    values: NDArray[np.int64], invert: NDArray[np.bool_] | None, *, pe: int, total_bits: int
) -> NDArray[np.uint8]:
    """The table of `result_stage` (words, pe, bits of an entry).

    Args:
        values: (row classes, column classes, rows), thresholds or corrections, as two's complement.
        invert: bool (rows,) on top of each threshold; None for corrections.
        pe: rows in a word.
        total_bits: of one value.
    """
    entries = bits_of(values, total_bits)
    if invert is not None:
        flags = np.broadcast_to(invert[:, None], (*values.shape, 1))
        entries = np.concatenate([entries, flags], axis=-1, dtype=np.uint8)
    words = entries.reshape(*values.shape[:2], values.shape[2] // pe, pe, -1)
    if words.shape[:2] != (1, 1):
        sizes = [1 << index_bits(count) for count in words.shape[:3]]
        gaps = [(0, size - count) for size, count in zip(sizes, words.shape, strict=False)]
        words = np.pad(words, [*gaps, (0, 0), (0, 0)])
    return words.reshape(-1, *words.shape[3:])
