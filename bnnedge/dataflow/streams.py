"""Streams: what flows between two nodes."""

import math
from dataclasses import dataclass

from bnnedge.errors import DataflowError

MOST_ELEMENTS = 1 << 26
"""Of a stream, or that its windows see, per image: twice the widest of VGG-16 on 224 x 224."""
_MOST_BITS = 62  # numpy computes in int64


@dataclass(frozen=True, kw_only=True)
class ElementType:
    """What one element of a stream is; `str()` gives QONNX's name for it.

    Attributes:
        width_bits: bits of one element.
        signed: two's complement integer.
        bipolar: a bit that stands for ±1.
    """

    width_bits: int
    signed: bool = False
    bipolar: bool = False

    def __str__(self) -> str:
        if self.bipolar:
            return "BIPOLAR"
        return f"{'INT' if self.signed else 'UINT'}{self.width_bits}"

    @property
    def smallest(self) -> int:
        """The least value of an integer type."""
        return -(1 << (self.width_bits - 1)) if self.signed else 0

    @property
    def largest(self) -> int:
        """The greatest value of an integer type."""
        return self.smallest + (1 << self.width_bits) - 1

    @property
    def least(self) -> int:
        """The least value that an element stands for; −1 for a bipolar bit."""
        return -1 if self.bipolar else self.smallest

    @property
    def most(self) -> int:
        """The greatest value that an element stands for."""
        return 1 if self.bipolar else self.largest

    @classmethod
    def holding(cls, low: int, high: int) -> "ElementType":
        """The narrowest signed type that holds `low` … `high`."""
        return cls(width_bits=max(high, ~low, 0).bit_length() + 1, signed=True)


BIPOLAR = ElementType(width_bits=1, bipolar=True)


def signed_type(largest: int) -> ElementType:
    """The narrowest signed integer type that holds −`largest` … `largest`."""
    return ElementType.holding(-largest, largest)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The type of the data between two nodes, for one image.

    Attributes:
        shape: (C,) for a vector, (H, W, C) for a feature map; the last axis is the channel, and
            elements travel in C order, so all channels of a pixel come together.
        element: type of each element.
    """

    shape: tuple[int, ...]
    element: ElementType

    @property
    def channels(self) -> int:
        """Elements of one pixel."""
        return self.shape[-1]

    @property
    def elements(self) -> int:
        """Elements of one image."""
        return math.prod(self.shape)

    @property
    def pixels(self) -> int:
        """Pixels of one image."""
        return math.prod(self.shape[:-1])

    def verify(self, name: str) -> None:
        """Raises DataflowError where this is more than bnnedge computes; names the node."""
        if self.elements > MOST_ELEMENTS:
            raise DataflowError(
                f"{name}: wanted at most {MOST_ELEMENTS} elements per image, got {self}"
            )
        if self.element.width_bits > _MOST_BITS:
            raise DataflowError(
                f"{name}: wanted integers of at most {_MOST_BITS} bits, got {self.element}"
            )

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.shape))} {self.element}"
