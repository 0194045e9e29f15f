"""`pad_channels`: constant channels around a pixel's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import PadChannels, Stream
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Parameter
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, lanes_of


@dataclass(frozen=True, kw_only=True)
class PadChannelsKernel(NodeKernel[PadChannels]):
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
    nodes = (PadChannels,)

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

    @classmethod
    def folds(cls, node: PadChannels, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return lanes_of(befores[0].channels, node.before, node.after)

    @classmethod
    def of(
        cls, node: PadChannels, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "PadChannelsKernel":
        (stream,) = befores
        return cls(
            element_bits=stream.element.width_bits,
            lanes=fold.pe,
            before_words=node.before // fold.pe,
            in_words=stream.channels // fold.pe,
            after_words=node.after // fold.pe,
            pixels=stream.pixels,
        )

    @property
    def in_bits(self) -> int:
        return self.lanes * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.in_bits

    @property
    def frame(self) -> Frame:
        return Frame.of(self.in_words, self._words)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self._words

    def cost(self, prices: Prices) -> Cost:
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
