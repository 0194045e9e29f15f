"""What both matrix-vector units share: a matrix, folded."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, Prices, are_cut, index_bits, rom_pieces
from bnnedge.dataflow import ElementType, Stream
from bnnedge.dataflow.nodes.mvu import Mvu
from bnnedge.dataflow.streams import signed_type
from bnnedge.hardware.kernels.base import Frame, Parameter, check_divides, divisors
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of, table_bits
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel

# Up to this depth a weight ROM is logic that merges with the XNORs behind it: a synapse's input and
# the fold index fit one LUT4. A deeper one goes to block RAM.
LOGIC_ROM_DEPTH = 8
FOLDED = ("loop_counter", "mvu_fold", "result_stage", "stream_contract")

N = TypeVar("N", bound=Mvu)


@dataclass(frozen=True, kw_only=True, eq=False)
class MvuKernel(NodeKernel[N]):
    """What both matrix-vector units share: a matrix, folded.

    Attributes:
        node: weights (MH, MW), thresholds.
        element: type of the inputs.
        pe: rows at a time; divides the rows of a group.
        simd: columns at a time; divides MW.
        pixels: output pixels of an image.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    node: N
    element: ElementType
    pe: int
    simd: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        rows = "MH" if self.node.groups == 1 else "MH/groups"
        check_divides(self.node.name, "PE", self.pe, rows, self.node.mh // self.node.groups)
        check_divides(self.node.name, "SIMD", self.simd, "MW", self.node.mw)

    @classmethod
    def folds(cls, node: N, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        rows, columns = divisors(node.mh // node.groups), divisors(node.mw)
        return tuple(Fold(pe=pe, simd=simd) for pe in rows for simd in columns)

    @classmethod
    def of(
        cls, node: N, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> NodeKernel[N]:
        return cls(
            node=node,
            element=befores[0].element,
            pe=fold.pe,
            simd=fold.simd,
            pixels=befores[0].pixels,
            memory_prefix=memory_prefix,
        )

    @property
    def neuron_folds(self) -> int:
        """Folds of one pixel's rows: MH / PE."""
        return self.node.mh // self.pe

    @property
    def synapse_folds(self) -> int:
        """SF = MW / SIMD."""
        return self.node.mw // self.simd

    @property
    def replayed_words(self) -> int:
        return self.synapse_folds if self.neuron_folds > self.node.groups else 0

    @property
    def in_bits(self) -> int:
        return self.simd * self.element.width_bits

    @property
    def accumulator_bits(self) -> int:
        """Width of one dot product on the output stream."""
        return signed_type(self.node.accumulator_limit(self.element)).width_bits

    @property
    @abstractmethod
    def _total_bits(self) -> int:
        """Width of what is compared with a threshold, or corrected."""

    @property
    @abstractmethod
    def _table(self) -> NDArray[np.int64] | None:
        """Thresholds or corrections (row classes, column classes, MH), if there are any."""

    @property
    def thresholded(self) -> bool:
        """Whether bits come out."""
        return self.node.thresholds is not None

    @property
    def weight_bits(self) -> int:
        """Bits of weights and thresholds kept on chip."""
        table = self._table
        entries = 0 if table is None else table.size
        return self.node.weights.size * self._weight_bits + entries * (
            self._total_bits + self.thresholded
        )

    @property
    def out_bits(self) -> int:
        return self.pe * (1 if self.thresholded else self.accumulator_bits)

    @property
    def _weight_bits(self) -> int:
        """Of a weight: its sign, and its magnitude if it has one."""
        return 1 + self.node.magnitude_bits

    @property
    def _frame_pixels(self) -> int:
        """Pixels that differ by their place; 1 where all are alike."""
        return 1

    @property
    def frame(self) -> Frame:
        taken = self._frame_pixels * self.node.groups * self.synapse_folds
        return Frame.of(taken, self._frame_pixels * self.neuron_folds)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self.neuron_folds * self.synapse_folds

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        weights, table = self.memories[:2]
        return {
            "MatrixWidth": self.node.mw,
            "MatrixHeight": self.node.mh,
            "Groups": self.node.groups,
            "Pe": self.pe,
            "Simd": self.simd,
            "Thresholded": int(self.thresholded),
            "BlockRom": len(self._pieces),
            "WeightFile": file_of(weights),
            "TableFile": file_of(table),
        }

    @property
    def memories(self) -> tuple[Memory | None, ...]:
        parts = [self._folded(self.node.weights)]
        if self.node.magnitudes is not None:
            digits = bits_of(self.node.magnitudes.astype(np.int64), self.node.magnitude_bits)
            parts.append(self._folded(digits))
        weights = self._memory("weights", np.concatenate(parts, axis=2))
        if are_cut(self._pieces):
            weights = dataclasses.replace(weights, pieces=self._pieces)
        if self._table is None:
            return weights, None
        bits = table_bits(self._table, self.node.invert, pe=self.pe, total_bits=self._total_bits)
        return weights, self._memory("thresholds" if self.thresholded else "corrections", bits)

    def _folded(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bits (MH, MW) or (MH, MW, each) → (steps, PE, SIMD · each)."""
        shape = (self.neuron_folds, self.pe, self.synapse_folds, self.simd, -1)
        folded = bits.reshape(shape).transpose(0, 2, 1, 3, 4)
        return folded.reshape(-1, self.pe, folded.shape[3] * folded.shape[4])

    @property
    def _pieces(self) -> tuple[int, ...]:
        """Words of the pieces of weights in block RAM; none: they are in logic."""
        depth = self.neuron_folds * self.synapse_folds
        return rom_pieces(depth, self._word_bits) if depth > LOGIC_ROM_DEPTH else ()

    @property
    def _word_bits(self) -> int:
        """Of a step's weights."""
        return self.pe * self.simd * self._weight_bits

    @abstractmethod
    def _sum_combs(self, prices: Prices) -> float:
        """COMB of a row's adders, the accumulator among them."""

    def cost(self, prices: Prices) -> Cost:
        depth = self.neuron_folds * self.synapse_folds
        memory = prices.block_rom if self._pieces else prices.lut_rom
        cost = memory(depth, self._word_bits)
        if self.replayed_words > 1:
            cost += prices.ram(self.replayed_words, self.in_bits)
        cost += Cost(combs=self.pe * self._sum_combs(prices))
        table = self._table
        if table is not None:
            entry_bits = self._total_bits + self.thresholded
            cost += prices.rom(table.size // self.pe, self.pe * entry_bits)
            cost += Cost(combs=1.5 * self.pe * prices.carry_chain(self._total_bits))
        counters = index_bits(depth) + index_bits(self.synapse_folds)
        return cost + Cost(combs=19 + 2.1 * counters)

    def _memory(self, what: str, bits: NDArray[np.uint8]) -> Memory:
        return Memory(name=self.memory_prefix + what, bits=bits)
