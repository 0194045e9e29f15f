"""`xnor_mvu`: a matrix-vector unit on ±1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Prices, index_bits
from bnnedge.dataflow import BIPOLAR, ElementType, Stream, XnorMvu
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of
from bnnedge.hardware.kernels.mvu_fold import FOLDED, MvuKernel
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel
from bnnedge.hardware.kernels.unrolled_mvu import UnrolledMvuKernel


@dataclass(frozen=True, kw_only=True, eq=False)
class XnorMvuKernel(MvuKernel[XnorMvu]):
    """`xnor_mvu`: a Dataflow's `XnorMvu`, folded."""

    module: ClassVar[str] = "xnor_mvu"
    nodes = (XnorMvu,)
    submodules: ClassVar[tuple[str, ...]] = ("popcount", *FOLDED)
    defaults: ClassVar[Mapping[str, int]] = {"Masked": 0}

    element: ElementType = BIPOLAR

    @classmethod
    def folds(cls, node: XnorMvu, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        folded = super().folds(node, befores)
        if node.border is not None:
            return folded
        return (*folded, Fold(pe=node.mh, simd=befores[0].channels, unrolled=True))

    @classmethod
    def of(
        cls, node: XnorMvu, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> NodeKernel[XnorMvu]:
        if fold.unrolled:
            return UnrolledMvuKernel.of(node, befores, fold, memory_prefix)
        return super().of(node, befores, fold, memory_prefix)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        rows, columns, _ = self._classes
        *_, row_memory, column_memory = self.memories
        classes: dict[str, Parameter] = {
            "OutHeight": len(rows),
            "OutWidth": len(columns),
            "RowClasses": int(rows.max()) + 1,
            "ColumnClasses": int(columns.max()) + 1,
            "RowFile": file_of(row_memory),
            "ColumnFile": file_of(column_memory),
        }
        corrected: dict[str, Parameter] = {
            "Corrected": int(self._table is not None and not self.thresholded)
        }
        if self.node.magnitudes is not None:
            corrected["Masked"] = 1
        return {**super().parameters, **corrected, **classes}

    @property
    def memories(self) -> tuple[Memory | None, ...]:
        rows, columns, table = self._classes
        if table.size == 1:
            return *super().memories, None, None
        return *super().memories, self._indices("rows", rows), self._indices("columns", columns)

    def _indices(self, what: str, values: NDArray[np.int64]) -> Memory:
        width = max(1, int(values.max()).bit_length())
        return self._memory(what, bits_of(values, width)[:, None])

    @property
    def _frame_pixels(self) -> int:
        rows, columns, _ = self._classes
        return len(rows) * len(columns)

    def _sum_combs(self, prices: Prices) -> float:
        return 1.1 * prices.popcount(self.simd, index_bits(self.node.mw + 1))

    @property
    def _total_bits(self) -> int:
        # A threshold is in [0, MW + 1].
        return (self.node.mw + 1).bit_length() if self.thresholded else self.accumulator_bits

    @property
    def _table(self) -> NDArray[np.int64] | None:
        values: NDArray[Any] | None = self.node.thresholds
        if not self.thresholded:
            values = self.node.correction
        if self.node.magnitudes is not None and not self.thresholded:
            left_out = self.node.mw - self.node.sums  # as if they were −1 each
            values = left_out if values is None else values + left_out
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
