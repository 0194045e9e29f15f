"""What hardware costs before synthesis, at the prices of a family of FPGAs.

What a kernel's structure says is counted: adders, comparators, memory cells, multiplexers. What
Yosys makes of its control logic, and what it saves, are constants fitted to single kernels, mapped
by Yosys and packed by nextpnr.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cells of an FPGA.

    Attributes:
        combs: lookup tables with four inputs, and what takes the place of one.
        block_rams: blocks of memory.
    """

    combs: float = 0.0
    block_rams: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(combs=self.combs + other.combs, block_rams=self.block_rams + other.block_rams)


def ceil_div(a: int, b: int) -> int:
    """⌈a / b⌉."""
    return -(-a // b)


def index_bits(count: int) -> int:
    """Bits of an index below `count`; 0 for one thing, which needs none."""
    return (count - 1).bit_length()


_LEAST_CUT = 1024
_MOST_PIECES = 8
_MOST_WORDS = 1 << 14
_BLOCK_BITS = 1 << 14  # without those for parity
_DEEP_WORDS = 2048
_SLICE_BITS = 8


def rom_pieces(words: int, bits: int) -> tuple[int, ...]:
    """Words of the pieces in which constants are in block RAM, see `mvu_fold.sv`.

    What fits one block, or is not deep, has no multiplexers behind it anyway.
    """
    pieces: list[int] = []
    if bits << index_bits(words) <= _BLOCK_BITS:
        return (words,)
    while len(pieces) < _MOST_PIECES - 1 and words > _LEAST_CUT:
        piece = min(1 << words.bit_length() - 1, _MOST_WORDS)
        if piece == words:
            break
        pieces.append(piece)
        words -= piece
    return (*pieces, words)


def are_cut(pieces: tuple[int, ...]) -> bool:
    """Whether such pieces are in several memories, rather than all constants in one."""
    return len(pieces) > 1 or any(words > _DEEP_WORDS for words in pieces)


def slice_bits(words: int, bits: int) -> int:
    """Bits of such a piece's words that are in a memory of their own; of a line buffer's, too."""
    return min(bits, _SLICE_BITS) if words > _DEEP_WORDS else bits


@dataclass(frozen=True, kw_only=True)
class Prices(ABC):
    """What adders and memories take of a family's cells.

    Attributes:
        carry_bits: of an adder in a carry cell, which is as many `combs`.
        block_shapes: words and bits that a block of memory holds.
        lut_ram_shape: words and bits that a cell of RAM in lookup tables holds.
        lut_ram_combs: of such a cell, with what Yosys puts around it.
        lut_rams_per_block: such cells that Yosys takes rather than a block.
        rom_bits_per_block: constants that Yosys puts in lookup tables rather than in a block.
        rom_factor: lookup tables that Yosys takes for constants, over what is counted.
    """

    carry_bits: int
    block_shapes: tuple[tuple[int, int], ...]
    lut_ram_shape: tuple[int, int]
    lut_ram_combs: int
    lut_rams_per_block: int
    rom_bits_per_block: int
    rom_factor: float

    @abstractmethod
    def popcount(self, width_bits: int, sum_bits: int) -> int:
        """Combs of `popcount`, which adds a count of so many bits to a sum."""

    def carry_chain(self, bits: int) -> int:
        """Combs of an adder or a comparator of `bits` bits."""
        return self.carry_bits * ceil_div(bits, self.carry_bits)

    def block_memory(self, words: int, bits: int) -> Cost:
        """A memory in block RAM, with the multiplexers behind it.

        Yosys cuts it into segments as deep as a block is, puts them side by side, and takes the
        shape that needs the fewest blocks.
        """
        blocks, segments = min(
            (ceil_div(ceil_div(words, depth) * bits, width), ceil_div(words, depth))
            for depth, width in self.block_shapes
        )
        return Cost(combs=bits * (segments - 1), block_rams=blocks)

    def sliced_memory(self, words: int, bits: int) -> Cost:
        """A memory in block RAM that is in slices, where it is deep."""
        width = slice_bits(words, bits)
        slices = (min(width, bits - start) for start in range(0, bits, width))
        return sum((self.block_memory(words, each) for each in slices), Cost())

    def block_rom(self, words: int, bits: int) -> Cost:
        """Constants in block RAM, in pieces."""
        pieces = rom_pieces(words, bits)
        cost = Cost(combs=bits * (len(pieces) - 1))
        return sum((self.sliced_memory(each, bits) for each in pieces), cost)

    def lut_ram(self, words: int, bits: int) -> Cost:
        """A memory in lookup tables, with the multiplexers behind it."""
        depth, _ = self.lut_ram_shape
        cells = self.lut_ram_combs * self._lut_ram_cells(words, bits)
        return Cost(combs=cells + bits * (ceil_div(words, depth) - 1))

    def ram(self, words: int, bits: int) -> Cost:
        """A memory that Yosys chooses the cells for."""
        block = self.block_memory(words, bits)
        most = self.lut_rams_per_block * block.block_rams
        return self.lut_ram(words, bits) if self._lut_ram_cells(words, bits) <= most else block

    def lut_rom(self, words: int, bits: int) -> Cost:
        """Constants in lookup tables; two words need none, only their address."""
        if words <= 2:
            return Cost()
        # Four lookup tables make one of 64 words, eight one of 128; those are behind multiplexers.
        tables = ceil_div(words, 16) + ceil_div(words, 128) - 1
        # There are no more different columns than contents of so many words.
        return Cost(combs=self.rom_factor * min(bits, 1 << min(words, 32)) * tables)

    def rom(self, words: int, bits: int) -> Cost:
        """Constants that Yosys chooses the cells for."""
        block = self.block_memory(words, bits)
        big = words * bits > self.rom_bits_per_block * block.block_rams
        return block if big else self.lut_rom(words, bits)

    def _lut_ram_cells(self, words: int, bits: int) -> int:
        depth, width = self.lut_ram_shape
        return ceil_div(words, depth) * ceil_div(bits, width)
