"""`credit_gate`: the entrance of kernels that never stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.design import CREDIT_GATE
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class CreditGateKernel(Kernel):
    """`credit_gate`: no more than `credits` words are behind it at a time.

    Attributes:
        input_width_bits: of a word.
        output_width_bits: the low bits that pass.
        credits: words.
        image_words: that pass for an image.
    """

    module: ClassVar[str] = CREDIT_GATE

    input_width_bits: int
    output_width_bits: int
    credits: int
    image_words: int

    @property
    def in_bits(self) -> int:
        return self.input_width_bits

    @property
    def out_bits(self) -> int:
        return self.output_width_bits

    @property
    def frame(self) -> Frame:
        return Frame.of(1, 1)

    @property
    def cycles_per_image(self) -> int:
        return self.image_words

    @property
    def latency_cycles(self) -> int:
        return 1

    def cost(self, prices: Prices) -> Cost:
        return Cost(combs=6 + 2 * prices.carry_chain(index_bits(self.credits + 1)))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        widths = {"InBits": self.in_bits, "OutBits": self.out_bits}
        return {**widths, "Credits": self.credits}
