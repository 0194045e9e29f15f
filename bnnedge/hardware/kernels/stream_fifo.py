"""`stream_fifo`: words that wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter

_LATE_WORDS = 32  # of deeper ones, two words are in registers behind the memory


@dataclass(frozen=True, kw_only=True)
class StreamFifoKernel(Kernel):
    """`stream_fifo`: `depth_words` words of `width_bits`; an image has `image_words`."""

    module: ClassVar[str] = "stream_fifo"

    width_bits: int
    depth_words: int
    image_words: int

    def __post_init__(self) -> None:
        if self.depth_words < 2 or self.width_bits < 1:
            raise FoldingError(f"{self.module}: wanted a depth of at least 2 words, got {self}")

    @property
    def in_bits(self) -> int:
        return self.width_bits

    @property
    def out_bits(self) -> int:
        return self.width_bits

    @property
    def frame(self) -> Frame:
        return Frame.of(1, 1)

    @property
    def cycles_per_image(self) -> int:
        return self.image_words

    def cost(self, prices: Prices) -> Cost:
        if self.depth_words == 2:
            return Cost(combs=8 + self.width_bits)
        behind = 2 if self.depth_words > _LATE_WORDS else 0
        memory = prices.ram(self.depth_words - behind, self.width_bits)
        return memory + Cost(combs=4 + 6.2 * index_bits(self.depth_words))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits, "Depth": self.depth_words}
