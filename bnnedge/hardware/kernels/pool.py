"""`pool`: disjoint windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import Window
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.pool_combine import PoolCombineKernel


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolKernel(PoolCombineKernel):
    """`pool`: a Dataflow's `MaxPool` or `SumPool` whose windows do not overlap."""

    module: ClassVar[str] = "pool"
    submodules: ClassVar[tuple[str, ...]] = ("pool_axis", "pool_combine", "stream_contract")

    @staticmethod
    def fits(window: Window, height: int, width: int) -> bool:
        """Whether windows are disjoint and every one has a pixel of the feature map."""
        top, left, _, _ = window.padding
        rows, columns = window.output_size(height, width)
        return all(
            span <= stride and before < taps and (windows - 1) * stride - before < size
            for span, stride, taps, before, windows, size in zip(
                window.span,
                window.stride,
                window.kernel,
                (top, left),
                (rows, columns),
                (height, width),
                strict=True,
            )
        ) and all(d == 1 or k == 1 for d, k in zip(window.dilation, window.kernel, strict=True))

    @property
    def cycles_per_image(self) -> int:
        return self.line_buffer.words_in

    def cost(self, prices: Prices) -> Cost:
        words = self.shape[2] // self.lanes
        rows, columns = self.window.output_size(*self.shape[:2])
        counters = [words, columns * words, rows + 1, columns + 1]
        counters += [*self.shape[:2], *self.window.stride]
        control = Cost(combs=55 + 1.5 * sum(map(index_bits, counters)))
        return control + self._combine_cost(prices) + prices.lut_ram(columns * words, self.out_bits)

    @property
    def _geometry(self) -> Mapping[str, Parameter]:
        rows, columns = self.window.output_size(*self.shape[:2])
        return {
            "InHeight": self.shape[0],
            "InWidth": self.shape[1],
            "KernelHeight": self.window.kernel[0],
            "KernelWidth": self.window.kernel[1],
            "StrideHeight": self.window.stride[0],
            "StrideWidth": self.window.stride[1],
            "PadTop": self.window.padding[0],
            "PadLeft": self.window.padding[1],
            "OutHeight": rows,
            "OutWidth": columns,
        }
