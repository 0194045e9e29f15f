"""`stream_fork`: a stream for two readers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class StreamForkKernel(Kernel):
    """`stream_fork`: words of `width_bits` to two outputs; an image has `image_words`."""

    module: ClassVar[str] = "stream_fork"
    ports_out: ClassVar[tuple[str, ...]] = ("out0", "out1")

    width_bits: int
    image_words: int

    @property
    def in_bits(self) -> int:
        return self.width_bits

    @property
    def out_bits(self) -> int:
        return sum(self.widths_out)

    @property
    def widths_out(self) -> tuple[int, ...]:
        return (self.width_bits, self.width_bits)

    @property
    def frame(self) -> Frame:
        return Frame(taken=(1,), given=(1, 1))

    @property
    def cycles_per_image(self) -> int:
        return self.image_words

    def cost(self, prices: Prices) -> Cost:
        return Cost(combs=6)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits}
