"""Matrix-vector units and thresholds: `xnor_mvu`, `integer_mvu`, `threshold`."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import (
    Cost,
    block_memory,
    carry_chain,
    ceil_div,
    index_bits,
    lut_rom,
    ram,
    rom,
)
from bnnedge.dataflow import ElementType, IntegerMvu, Threshold, XnorMvu
from bnnedge.dataflow.mvu import accumulator_type
from bnnedge.dataflow.streams import signed_type
from bnnedge.hardware.kernels.base import Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.memory import hex_words, index_words, table_words

# Up to this depth a weight ROM is logic that merges with the XNORs behind it: a synapse's input and
# the fold index fit one LUT4. A deeper one goes to block RAM.
LOGIC_ROM_DEPTH = 8

_FOLDED = ("loop_counter", "mvu_fold", "result_stage", "stream_contract")


@dataclass(frozen=True, kw_only=True, eq=False)
class MvuKernel(Kernel):
    """What both matrix-vector units share: a matrix, folded.

    Attributes:
        node: weights (MH, MW), thresholds.
        pe: rows at a time; divides the rows of a group.
        simd: columns at a time; divides MW.
        pixels: output pixels of an image.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    node: XnorMvu | IntegerMvu
    pe: int
    simd: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        rows = "MH" if self.node.groups == 1 else "MH/groups"
        check_divides(self.node.name, "PE", self.pe, rows, self.node.mh // self.node.groups)
        check_divides(self.node.name, "SIMD", self.simd, "MW", self.node.mw)

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
        """Input words that are taken in one go, before a pause in which they are replayed."""
        return self.synapse_folds if self.neuron_folds > self.node.groups else 0

    @property
    @abstractmethod
    def accumulator_bits(self) -> int:
        """Width of one dot product on the output stream."""

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
        return self.node.weights.size + entries * (self._total_bits + self.thresholded)

    @property
    def out_bits(self) -> int:
        return self.pe * (1 if self.thresholded else self.accumulator_bits)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self.neuron_folds * self.synapse_folds

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "MatrixWidth": self.node.mw,
            "MatrixHeight": self.node.mh,
            "Groups": self.node.groups,
            "Pe": self.pe,
            "Simd": self.simd,
            "Thresholded": int(self.thresholded),
            "BlockRom": int(self.neuron_folds * self.synapse_folds > LOGIC_ROM_DEPTH),
            "WeightFile": self._weight_file,
            "TableFile": "" if self._table is None else self._table_file,
        }

    @property
    def memories(self) -> Mapping[str, str]:
        folded = self.node.weights.reshape(
            self.neuron_folds, self.pe, self.synapse_folds, self.simd
        ).transpose(0, 2, 1, 3)
        words = {self._weight_file: hex_words(folded.reshape(-1, self.pe * self.simd))}
        table = self._table
        if table is not None:
            words[self._table_file] = table_words(
                table, self.node.invert, pe=self.pe, total_bits=self._total_bits
            )
        return words

    @property
    @abstractmethod
    def _sum_combs(self) -> float:
        """COMB of a row's adders, the accumulator among them."""

    @property
    def cost(self) -> Cost:
        depth = self.neuron_folds * self.synapse_folds
        memory = block_memory if depth > LOGIC_ROM_DEPTH else lut_rom
        cost = memory(depth, self.pe * self.simd)
        if self.replayed_words > 1:
            cost += ram(self.replayed_words, self.in_bits)
        cost += Cost(combs=self.pe * self._sum_combs)
        table = self._table
        if table is not None:
            entry_bits = self._total_bits + self.thresholded
            cost += rom(table.size // self.pe, self.pe * entry_bits)
            cost += Cost(combs=1.5 * self.pe * carry_chain(self._total_bits))
        counters = index_bits(depth) + index_bits(self.synapse_folds)
        return cost + Cost(combs=19 + 2.1 * counters)

    @property
    def _weight_file(self) -> str:
        return f"{self.memory_prefix}weights.mem"

    @property
    def _table_file(self) -> str:
        return f"{self.memory_prefix}{'thresholds' if self.thresholded else 'corrections'}.mem"


@dataclass(frozen=True, kw_only=True, eq=False)
class XnorMvuKernel(MvuKernel):
    """`xnor_mvu`: a Dataflow's `XnorMvu`, folded."""

    module: ClassVar[str] = "xnor_mvu"
    submodules: ClassVar[tuple[str, ...]] = ("popcount", *_FOLDED)

    node: XnorMvu

    @property
    def accumulator_bits(self) -> int:
        return accumulator_type(self.node.mw).width_bits

    @property
    def in_bits(self) -> int:
        return self.simd

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        rows, columns, _ = self._classes
        classes: dict[str, Parameter] = {
            "OutHeight": len(rows),
            "OutWidth": len(columns),
            "RowClasses": int(rows.max()) + 1,
            "ColumnClasses": int(columns.max()) + 1,
            "RowFile": self._file("rows") if self._bordered else "",
            "ColumnFile": self._file("columns") if self._bordered else "",
        }
        corrected = {"Corrected": int(self.node.correction is not None)}
        return {**super().parameters, **corrected, **classes}

    @property
    def memories(self) -> Mapping[str, str]:
        if not self._bordered:
            return super().memories
        rows, columns, _ = self._classes
        return {
            **super().memories,
            self._file("rows"): index_words(rows),
            self._file("columns"): index_words(columns),
        }

    @property
    def _sum_combs(self) -> float:
        # The rows of popcount.sv for ECP5: so many adders of so many bits in a chain.
        leaves = ceil_div(self.simd, 4)
        rows = [(leaves, 1)]
        for level in range(1, index_bits(leaves) + 1):
            rows.append((ceil_div(leaves, 1 << (level - 1)) // 2, level + 1))
        rows.append((1, index_bits(self.node.mw + 1)))
        return 1.1 * sum(carry_chain(adders * (bits + 1) + 1) for adders, bits in rows)

    @property
    def _total_bits(self) -> int:
        # A threshold is in [0, MW + 1].
        return (self.node.mw + 1).bit_length() if self.thresholded else self.accumulator_bits

    @property
    def _table(self) -> NDArray[np.int64] | None:
        values = self.node.thresholds if self.thresholded else self.node.correction
        if values is None:
            return None
        return values.reshape(-1, self.node.mh).astype(np.int64)[self._classes[2]]

    @property
    def _classes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Class of each row (OH,), of each column (OW,), and the border class of both."""
        border = np.zeros((1, 1), np.int32) if self.node.border is None else self.node.border
        border = border.reshape(1, 1) if border.ndim == 0 else border
        row, rows = np.unique(border, axis=0, return_index=True, return_inverse=True)[1:]
        column, columns = np.unique(border, axis=1, return_index=True, return_inverse=True)[1:]
        return (
            rows.reshape(-1).astype(np.int64),
            columns.reshape(-1).astype(np.int64),
            border[np.ix_(row, column)].astype(np.int64),
        )

    @property
    def _bordered(self) -> bool:
        return self._classes[2].size > 1

    def _file(self, what: str) -> str:
        return f"{self.memory_prefix}{what}.mem"


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMvuKernel(MvuKernel):
    """`integer_mvu`: a Dataflow's `IntegerMvu`, folded.

    Attributes:
        element: type of the inputs.
    """

    module: ClassVar[str] = "integer_mvu"
    submodules: ClassVar[tuple[str, ...]] = ("signed_sum", *_FOLDED)

    node: IntegerMvu
    element: ElementType

    @property
    def accumulator_bits(self) -> int:
        return signed_type(self.node.accumulator_limit(self.element)).width_bits

    @property
    def in_bits(self) -> int:
        return self.simd * self.element.width_bits

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            **super().parameters,
            "ElementBits": self.element.width_bits,
            "Signed": int(self.element.signed),
        }

    @property
    def _sum_combs(self) -> float:
        bits = self.element.width_bits + (not self.element.signed)
        flips = self.simd * bits
        nodes = self.simd
        adders = carry_chain(self._total_bits)
        while nodes > 1:
            bits += 1
            adders += nodes // 2 * carry_chain(bits)
            nodes = ceil_div(nodes, 2)
        return 1.15 * (adders + flips)

    @property
    def _total_bits(self) -> int:
        limit = self.node.accumulator_limit(self.element)
        # The unit's sums are less than the dot products by up to MW, and so are its thresholds.
        bits = signed_type(limit + self.node.mw + 1).width_bits
        return bits if self.thresholded else self.accumulator_bits

    @property
    def _table(self) -> NDArray[np.int64]:
        minus_ones: NDArray[np.int64] = np.sum(1 - self.node.weights, axis=1, dtype=np.int64)
        if self.node.thresholds is not None:
            minus_ones = self.node.thresholds.astype(np.int64) - minus_ones
        return minus_ones[None, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdKernel(Kernel):
    """`threshold`: a Dataflow's `Threshold`, `pe` channels at a time.

    Attributes:
        node: thresholds and invert flags (C,).
        element: type of the inputs.
        pe: channels in a word; divides C.
        pixels: of an image.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """

    module: ClassVar[str] = "threshold"
    submodules: ClassVar[tuple[str, ...]] = ("result_stage", "stream_contract")

    node: Threshold
    element: ElementType
    pe: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.node.name, "PE", self.pe, "C", len(self.node.thresholds))

    @property
    def in_bits(self) -> int:
        return self.pe * self.element.width_bits

    @property
    def out_bits(self) -> int:
        return self.pe

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * len(self.node.thresholds) // self.pe

    @property
    def cost(self) -> Cost:
        channels, bits = len(self.node.thresholds), self.element.width_bits + 1
        compare = Cost(combs=10 + 1.5 * self.pe * carry_chain(bits))
        return compare + rom(channels // self.pe, self.pe * (bits + 1))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Channels": len(self.node.thresholds),
            "Pe": self.pe,
            "ElementBits": self.element.width_bits,
            "Signed": int(self.element.signed),
            "TableFile": f"{self.memory_prefix}thresholds.mem",
        }

    @property
    def memories(self) -> Mapping[str, str]:
        # Beyond the element's range all thresholds are alike: always reached, or never.
        reachable = self.node.thresholds.clip(self.element.smallest, self.element.largest + 1)
        table = table_words(
            reachable.astype(np.int64)[None, None],
            self.node.invert,
            pe=self.pe,
            total_bits=self.element.width_bits + 1,
        )
        return {f"{self.memory_prefix}thresholds.mem": table}
