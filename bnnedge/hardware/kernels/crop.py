"""`crop`: a feature map without its first rows and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import Crop, Stream
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Parameter
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel


@dataclass(frozen=True, kw_only=True)
class CropKernel(NodeKernel[Crop]):
    """`crop`: a feature map without its first rows and columns.

    Attributes:
        word_bits: of a word.
        pixel_words: words of a pixel.
        height: of the feature map that comes in.
        width: of the same.
        top: rows to drop.
        left: columns to drop.
    """

    module: ClassVar[str] = "crop"
    nodes = (Crop,)
    submodules: ClassVar[tuple[str, ...]] = ("crop_axis", "loop_counter", "stream_contract")

    word_bits: int
    pixel_words: int
    height: int
    width: int
    top: int
    left: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.height and 0 <= self.left < self.width):
            raise FoldingError(
                f"{self.module}: wanted to keep a row and a column of {self.height} x {self.width},"
                f" got {self.top} rows and {self.left} columns to drop"
            )

    @classmethod
    def of(
        cls, node: Crop, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "CropKernel":
        (stream,) = befores
        height, width, channels = stream.shape
        return cls(
            word_bits=fold.pe * stream.element.width_bits,
            pixel_words=channels // fold.pe,
            height=height,
            width=width,
            top=node.top,
            left=node.left,
        )

    @property
    def in_bits(self) -> int:
        return self.word_bits

    @property
    def out_bits(self) -> int:
        return self.word_bits

    @property
    def frame(self) -> Frame:
        kept = (self.height - self.top) * (self.width - self.left)
        return Frame.of(self.height * self.width * self.pixel_words, kept * self.pixel_words)

    @property
    def cycles_per_image(self) -> int:
        return self.height * self.width * self.pixel_words

    def cost(self, prices: Prices) -> Cost:
        counters = (self.pixel_words, self.height, self.width)
        return Cost(combs=2.6 * sum(map(index_bits, counters)))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "WordBits": self.word_bits,
            "PixelWords": self.pixel_words,
            "Height": self.height,
            "Width": self.width,
            "Top": self.top,
            "Left": self.left,
        }
