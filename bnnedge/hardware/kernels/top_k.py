"""`top_k`: the first k classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class TopKKernel(Kernel):
    """`top_k`: indices of the `k` largest of `elements` signed numbers, one in a beat."""

    module: ClassVar[str] = "top_k"

    elements: int
    k: int
    element_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.elements:
            raise FoldingError(f"{self.module}: wanted k from 1 to {self.elements}, got {self.k}")

    @property
    def in_bits(self) -> int:
        return self.element_bits

    @property
    def out_bits(self) -> int:
        return max(1, (self.elements - 1).bit_length())

    @property
    def frame(self) -> Frame:
        return Frame.of(self.elements, self.k)

    @property
    def cycles_per_image(self) -> int:
        return self.elements

    def cost(self, prices: Prices) -> Cost:
        place = prices.carry_chain(self.element_bits) + 1.3 * self.element_bits
        place = place + 2 * self.out_bits + 8
        first = self.element_bits + self.out_bits  # nothing moves into it but the input
        counter = prices.carry_chain(self.out_bits)
        return Cost(combs=6 + counter + self.k * place - first)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Elements": self.elements, "K": self.k, "ElementBits": self.element_bits}
