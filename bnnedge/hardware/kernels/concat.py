"""`concat`: the channels of two streams side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import Concat, Stream
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Parameter
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel


@dataclass(frozen=True, kw_only=True)
class ConcatKernel(NodeKernel[Concat]):
    """`concat`: for every pixel the words of a, then those of b.

    Attributes:
        width_bits: of a word.
        a_words: words of a pixel that come from a.
        b_words: words of a pixel that come from b.
        pixels: of an image.
    """

    module: ClassVar[str] = "concat"
    nodes = (Concat,)
    ports_in: ClassVar[tuple[str, ...]] = ("a", "b")

    width_bits: int
    a_words: int
    b_words: int
    pixels: int

    def __post_init__(self) -> None:
        if min(self.a_words, self.b_words) < 1:
            raise FoldingError(
                f"{self.module}: wanted at least one word of each input, got {self.a_words}"
                f" and {self.b_words}"
            )

    @classmethod
    def of(
        cls, node: Concat, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "ConcatKernel":
        first, second = befores
        return cls(
            width_bits=fold.pe * node.output_stream(first, second).element.width_bits,
            a_words=first.channels // fold.pe,
            b_words=second.channels // fold.pe,
            pixels=first.pixels,
        )

    @property
    def widths_in(self) -> tuple[int, ...]:
        return (self.width_bits, self.width_bits)

    @property
    def in_bits(self) -> int:
        return sum(self.widths_in)

    @property
    def out_bits(self) -> int:
        return self.width_bits

    @property
    def frame(self) -> Frame:
        return Frame(taken=(self.a_words, self.b_words), given=(self.a_words + self.b_words,))

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * (self.a_words + self.b_words)

    def cost(self, prices: Prices) -> Cost:
        return Cost(combs=3 + 2 * index_bits(self.a_words + self.b_words) + self.width_bits)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits, "AWords": self.a_words, "BWords": self.b_words}
