"""`add`: a weighted sum of two streams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow import Add, ElementType, Stream
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Parameter
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel

_NARROW = 4  # adders up to so many bits become LUTs


@dataclass(frozen=True, kw_only=True)
class AddKernel(NodeKernel[Add]):
    """`add`: `factors[0]`·a + `factors[1]`·b, element by element.

    Attributes:
        a: type of the first input's elements.
        b: type of the second input's elements.
        factors: constants other than 0.
        result_bits: of a result, two's complement.
        lanes: elements in a word.
        image_words: words of an image.
    """

    module: ClassVar[str] = "add"
    nodes = (Add,)
    submodules: ClassVar[tuple[str, ...]] = ("scale_element", "stream_contract")
    ports_in: ClassVar[tuple[str, ...]] = ("a", "b")

    a: ElementType
    b: ElementType
    factors: tuple[int, int] = (1, 1)
    result_bits: int
    lanes: int
    image_words: int

    def __post_init__(self) -> None:
        if 0 in self.factors:
            raise FoldingError(f"{self.module}: wanted factors other than 0, got {self.factors}")
        result = ElementType(width_bits=self.result_bits, signed=True)
        low, high = self._range
        if low < result.smallest or high > result.largest:
            raise FoldingError(
                f"{self.module}: wanted result_bits that hold {low} ... {high},"
                f" got {self.result_bits}"
            )

    @classmethod
    def of(
        cls, node: Add, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "AddKernel":
        first, second = befores
        result = node.output_stream(first, second)
        return cls(
            a=first.element,
            b=second.element,
            factors=node.factors,
            result_bits=result.element.width_bits,
            lanes=fold.pe,
            image_words=result.elements // fold.pe,
        )

    @property
    def widths_in(self) -> tuple[int, ...]:
        return (self.lanes * self.a.width_bits, self.lanes * self.b.width_bits)

    @property
    def in_bits(self) -> int:
        return sum(self.widths_in)

    @property
    def out_bits(self) -> int:
        return self.lanes * self.result_bits

    @property
    def frame(self) -> Frame:
        return Frame(taken=(1, 1), given=(1,))

    @property
    def cycles_per_image(self) -> int:
        return self.image_words

    def cost(self, prices: Prices) -> Cost:
        # Below the bits of the larger power of two, the other number passes as it is.
        shift = max((factor & -factor).bit_length() - 1 for factor in self.factors)
        lane = _adder(self.result_bits - shift, prices)
        if max(self.factors) < 0:
            lane += _adder(self.result_bits, prices)
        for element, factor in zip((self.a, self.b), self.factors, strict=True):
            if element.bipolar:
                lane += 2 * (self.result_bits - shift > _NARROW)
            else:
                lane += (abs(factor).bit_count() - 1) * _adder(element.width_bits + 1, prices)
        return Cost(combs=5 + self.lanes * lane)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Lanes": self.lanes,
            "ABits": self.a.width_bits,
            "ASigned": int(self.a.signed),
            "ABipolar": int(self.a.bipolar),
            "AFactor": self.factors[0],
            "BBits": self.b.width_bits,
            "BSigned": int(self.b.signed),
            "BBipolar": int(self.b.bipolar),
            "BFactor": self.factors[1],
            "OutBits": self.result_bits,
        }

    @property
    def _range(self) -> tuple[int, int]:
        """The least and the greatest result."""
        ends = [
            sorted(factor * value for value in _ends(element))
            for element, factor in zip((self.a, self.b), self.factors, strict=True)
        ]
        return ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]


def _adder(bits: int, prices: Prices) -> int:
    """COMB of an adder; a narrow one gets no carry chain."""
    return bits if bits <= _NARROW else prices.carry_chain(bits)


def _ends(element: ElementType) -> tuple[int, int]:
    """The least and the greatest number that an element stands for."""
    return (-1, 1) if element.bipolar else (element.smallest, element.largest)
