"""`arg_max`: the class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, carry_chain, index_bits
from bnnedge.hardware.kernels.base import Kernel, Parameter, check_divides


@dataclass(frozen=True, kw_only=True)
class ArgMaxKernel(Kernel):
    """`arg_max`: index of the largest of `elements` signed numbers, `pe` of them in a beat."""

    module: ClassVar[str] = "arg_max"

    elements: int
    pe: int
    element_bits: int

    def __post_init__(self) -> None:
        check_divides(self.module, "PE", self.pe, "K", self.elements)

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return max(1, (self.elements - 1).bit_length())

    @property
    def cycles_per_image(self) -> int:
        return self.elements // self.pe

    @property
    def cost(self) -> Cost:
        compare = carry_chain(self.element_bits) + self.element_bits
        return Cost(combs=15 + self.pe * compare + 4 * index_bits(self.elements))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Elements": self.elements, "Pe": self.pe, "ElementBits": self.element_bits}
