"""Memories of kernels as constants in C++."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnnedge.cost import ceil_div
from bnnedge.hardware.kernels import Memory

_CELL_BITS = 64
_LINE_CELLS = 8


@dataclass(frozen=True, kw_only=True)
class Rom:
    """A `bnnedge::rom`; every lane that reads at once has its own.

    Attributes:
        memory: what it holds.
    """

    memory: Memory

    @property
    def name(self) -> str:
        """Of the constant."""
        stem = self.memory.files[0] if self.memory.lane_files else self.memory.name
        return f"rom_{Path(stem).name.removesuffix('.mem')}"

    @property
    def total_bits(self) -> int:
        """Of all lanes."""
        return self.memory.bits.size * self.memory.readers

    @property
    def type_name(self) -> str:
        """Its type in C++."""
        words, lanes, width = self.memory.bits.shape
        return f"bnnedge::rom<{lanes * self.memory.readers}, {width}, {words}>"

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """For every lane the lines of its initialiser."""
        words, lanes, width = self.memory.bits.shape
        bits = np.zeros((lanes, words, ceil_div(width, _CELL_BITS) * _CELL_BITS), np.uint8)
        bits[:, :, :width] = self.memory.bits.transpose(1, 0, 2)
        cells = np.packbits(bits.reshape(lanes, -1), axis=1, bitorder="little").view("<u8")
        rows = tuple(_lines([f"{cell:#x}" for cell in lane]) for lane in cells.tolist())
        return rows * self.memory.readers


def _lines(cells: list[str]) -> tuple[str, ...]:
    starts = range(0, len(cells), _LINE_CELLS)
    return tuple(", ".join(cells[start : start + _LINE_CELLS]) for start in starts)
