"""`pool_window`: any windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow import MaxPool, Stream, SumPool
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel
from bnnedge.hardware.kernels.pool import PoolKernel
from bnnedge.hardware.kernels.pool_combine import PoolCombineKernel, PoolKind


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolWindowKernel(PoolCombineKernel, NodeKernel[MaxPool | SumPool]):
    """`pool_window`: a Dataflow's `MaxPool` or `SumPool` with any window."""

    module: ClassVar[str] = "pool_window"
    nodes = (MaxPool, SumPool)
    submodules: ClassVar[tuple[str, ...]] = (
        "line_buffer",
        "loop_counter",
        "pool_combine",
        "stream_contract",
    )

    @classmethod
    def of(
        cls,
        node: MaxPool | SumPool,
        befores: Sequence[Stream],
        fold: Fold,
        memory_prefix: str = "",
    ) -> "PoolWindowKernel | PoolKernel":
        (stream,) = befores
        height, width, channels = stream.shape
        form = PoolKernel if PoolKernel.fits(node.window, height, width) else cls
        return form(
            name=node.name,
            kind=PoolKind.of(node, stream.element),
            window=node.window,
            shape=(height, width, channels),
            conjunction=node.conjunction if isinstance(node, MaxPool) else None,
            element_bits=stream.element.width_bits,
            result_bits=node.output_stream(stream).element.width_bits,
            lanes=fold.pe,
            memory_prefix=memory_prefix,
        )

    def cost(self, prices: Prices) -> Cost:
        # The multiplexer of a maximum leaves padding out, too.
        padding = 0 if self._is_maximum else 2 * self.out_bits
        return Cost(combs=20 + padding) + self._combine_cost(prices) + self.line_buffer.cost(prices)

    @property
    def _geometry(self) -> Mapping[str, Parameter]:
        return self.line_buffer.parameters
