"""`integer_mvu`: a matrix-vector unit on integers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Prices, ceil_div
from bnnedge.dataflow import IntegerMvu
from bnnedge.dataflow.streams import BIPOLAR, signed_type
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.mvu_fold import FOLDED, MvuKernel


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerMvuKernel(MvuKernel[IntegerMvu]):
    """`integer_mvu`: a Dataflow's `IntegerMvu`, folded."""

    module: ClassVar[str] = "integer_mvu"
    nodes = (IntegerMvu,)
    submodules: ClassVar[tuple[str, ...]] = ("signed_sum", *FOLDED)
    defaults: ClassVar[Mapping[str, int]] = {"MagnitudeBits": 0}

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        magnitudes: dict[str, Parameter] = {}
        if self.node.magnitudes is not None:
            magnitudes = {"MagnitudeBits": self.node.magnitude_bits}
        return {
            **super().parameters,
            **magnitudes,
            "ElementBits": self.element.width_bits,
            "Signed": int(self.element.signed),
        }

    def _sum_combs(self, prices: Prices) -> float:
        bits = self.element.width_bits + (not self.element.signed)
        flips = self.simd * bits
        if self.node.magnitude_bits > 1:
            bits += self.node.magnitude_bits
            flips = self.simd * self.node.magnitude_bits * prices.carry_chain(bits)
        nodes = self.simd
        adders = prices.carry_chain(self._total_bits)
        while nodes > 1:
            bits += 1
            adders += nodes // 2 * prices.carry_chain(bits)
            nodes = ceil_div(nodes, 2)
        return 1.15 * (adders + flips)

    @property
    def _total_bits(self) -> int:
        limit = self.node.accumulator_limit(self.element)
        # The unit's sums are less than the dot products by up to those of ones, and so are its
        # thresholds.
        ones = self.node.accumulator_limit(BIPOLAR)
        bits = signed_type(limit + ones + 1).width_bits
        return bits if self.thresholded else self.accumulator_bits

    @property
    def _table(self) -> NDArray[np.int64]:
        minus_ones: NDArray[np.int64] = -self.node.values.clip(max=0).sum(axis=1, dtype=np.int64)
        if self.node.thresholds is not None:
            minus_ones = self.node.thresholds.astype(np.int64) - minus_ones
        return minus_ones[None, None]
