"""What hardware costs on an ECP5, before synthesis.

What a kernel's structure says is counted: adders, comparators, memory cells, multiplexers. What
Yosys makes of its control logic, and what it saves, are constants fitted to single kernels, mapped
by Yosys and packed by nextpnr.
"""

from dataclasses import dataclass

# Words × bits of a DP16KD.
_BLOCK_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
# What Yosys holds against a DP16KD: so many LUT RAM cells, or so many bits of a ROM in LUTs.
_CELLS_PER_BLOCK = 20
_ROM_BITS_PER_BLOCK = 2560


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cells of an ECP5.

    Attributes:
        combs: TRELLIS_COMB: a LUT4, or half a carry cell; six are a cell of LUT RAM.
        block_rams: DP16KD.
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


def carry_chain(bits: int) -> int:
    """COMB of an adder or a comparator of `bits` bits."""
    return 2 * ceil_div(bits, 2)


def block_memory(words: int, bits: int) -> Cost:
    """A memory in block RAM, with the multiplexers behind it.

    Yosys cuts it into segments as deep as a block is, puts them side by side, and takes the shape
    that needs the fewest blocks.
    """
    blocks, segments = min(
        (ceil_div(ceil_div(words, depth) * bits, width), ceil_div(words, depth))
        for depth, width in _BLOCK_SHAPES
    )
    return Cost(combs=bits * (segments - 1), block_rams=blocks)


def _lut_ram_cells(words: int, bits: int) -> int:
    """DPR16X4 cells of a memory."""
    return ceil_div(words, 16) * ceil_div(bits, 4)


def lut_ram(words: int, bits: int) -> Cost:
    """A memory of DPR16X4 cells, with the multiplexers behind it."""
    return Cost(combs=7 * _lut_ram_cells(words, bits) + bits * (ceil_div(words, 16) - 1))


def ram(words: int, bits: int) -> Cost:
    """A memory that Yosys chooses the cells for."""
    block = block_memory(words, bits)
    small = _lut_ram_cells(words, bits) <= _CELLS_PER_BLOCK * block.block_rams
    return lut_ram(words, bits) if small else block


def lut_rom(words: int, bits: int) -> Cost:
    """Constants in LUTs; two words need no LUT, only their address."""
    if words <= 2:
        return Cost()
    leaves = ceil_div(words, 16)
    # There are no more different columns than contents of so many words.
    return Cost(combs=1.15 * min(bits, 1 << min(words, 32)) * (2 * leaves - 1))


def rom(words: int, bits: int) -> Cost:
    """Constants that Yosys chooses the cells for."""
    block = block_memory(words, bits)
    big = words * bits > _ROM_BITS_PER_BLOCK * block.block_rams
    return block if big else lut_rom(words, bits)
