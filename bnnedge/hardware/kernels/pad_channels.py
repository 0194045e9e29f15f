"""`pad_channels`: constant channels around a pixel's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, index_bits
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class PadChannelsKernel(Kernel):
    """`pad_channels`: constant words before and behind every pixel's own.

    Attributes:
        element_bits: of an element.
        lanes: elements in a word.
        before_words: words of padding in front of a pixel.
        in_words: words of a pixel.
        after_words: words of padding behind it.
        fill: what an element of the padding is.
        pixels: of an image.
    """

    module: ClassVar[str] = "pad_channels"

    element_bits: int
    lanes: int
    before_words: int
    in_words: int
    after_words: int
    fill: int = 0
    pixels: int

    def __post_init__(self) -> None:
        padding = self.before_words, self.after_words
        if self.in_words < 1 or min(padding) < 0 or max(padding) < 1:
            raise FoldingError(
                f"{self.module}: wanted at least one word of a pixel and one of padding,"
                f" got {self.in_words} and {padding}"
            )

    @property
    def in_bits(self) -> int:
        return self.lanes * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.in_bits

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self._words

    @property
    def cost(self) -> Cost:
        return Cost(combs=3 + 2 * index_bits(self._words))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Lanes": self.lanes,
            "ElementBits": self.element_bits,
            "Fill": self.fill & ((1 << self.element_bits) - 1),
            "BeforeWords": self.before_words,
            "InWords": self.in_words,
            "AfterWords": self.after_words,
        }

    @property
    def _words(self) -> int:
        return self.before_words + self.in_words + self.after_words
