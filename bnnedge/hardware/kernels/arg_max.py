"""`arg_max`: the class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import ArgMax, Stream
from bnnedge.hardware.kernels.base import Frame, Parameter, check_divides
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, lanes_of
from bnnedge.hardware.kernels.top_k import TopKKernel


@dataclass(frozen=True, kw_only=True)
class ArgMaxKernel(NodeKernel[ArgMax]):
    """`arg_max`: index of the largest of `elements` signed numbers, `pe` of them in a beat."""

    module: ClassVar[str] = "arg_max"
    nodes = (ArgMax,)

    elements: int
    pe: int
    element_bits: int

    def __post_init__(self) -> None:
        check_divides(self.module, "PE", self.pe, "K", self.elements)

    @classmethod
    def folds(cls, node: ArgMax, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return lanes_of(befores[0].channels if node.k == 1 else 1)

    @classmethod
    def of(
        cls, node: ArgMax, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "ArgMaxKernel | TopKKernel":
        (stream,) = befores
        bits = stream.element.width_bits
        if node.k > 1:
            return TopKKernel(elements=stream.channels, k=node.k, element_bits=bits)
        return cls(elements=stream.channels, pe=fold.simd, element_bits=bits)

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return max(1, (self.elements - 1).bit_length())

    @property
    def frame(self) -> Frame:
        return Frame.of(self.elements // self.pe, 1)

    @property
    def cycles_per_image(self) -> int:
        return self.elements // self.pe

    @property
    def latency_cycles(self) -> int | None:
        return index_bits(self.pe) + 2 if self.pe == self.elements else None

    def cost(self, prices: Prices) -> Cost:
        compare = prices.carry_chain(self.element_bits) + self.element_bits
        return Cost(combs=15 + self.pe * compare + 4 * index_bits(self.elements))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Elements": self.elements, "Pe": self.pe, "ElementBits": self.element_bits}
