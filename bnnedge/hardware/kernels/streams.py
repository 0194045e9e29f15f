"""What moves data between layers: widths, FIFOs, arg-max, the output stream."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.cost import Cost, carry_chain, ceil_div, index_bits, ram


@dataclass(frozen=True, kw_only=True)
class StreamWidthConverterKernel(Kernel):
    """`stream_width_converter`: `frames` frames of `frame_bits` an image, any widths."""

    module: ClassVar[str] = "stream_width_converter"

    input_width_bits: int
    output_width_bits: int
    frame_bits: int
    frames: int = 1

    def __post_init__(self) -> None:
        if min(self.input_width_bits, self.output_width_bits, self.frame_bits) < 1:
            raise FoldingError(f"{self.module}: wanted positive widths, got {self}")

    @property
    def in_bits(self) -> int:
        return self.input_width_bits

    @property
    def out_bits(self) -> int:
        return self.output_width_bits

    @property
    def cycles_per_image(self) -> int:
        in_beats = self._in_beats
        out_beats = ceil_div(self.frame_bits, self.out_bits)
        if self.in_bits > self.out_bits:
            return self.frames * out_beats
        # The last input beat may complete two output beats; the second one holds up the input.
        before_last = (in_beats - 1) * self.in_bits // self.out_bits
        return self.frames * (in_beats + out_beats - before_last - 1)

    @property
    def cost(self) -> Cost:
        unit = math.gcd(self.in_bits, self.out_bits)
        taken, given = self.in_bits // unit, self.out_bits // unit
        # What remains of an output beat when an input beat comes: the places it is written to.
        places = len({beat * taken % given for beat in range(min(self._in_beats, given))})
        return Cost(combs=8 + 1.2 * unit * taken * places)

    @property
    def _in_beats(self) -> int:
        return ceil_div(self.frame_bits, self.in_bits)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "FrameBits": self.frame_bits,
        }


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
    def cycles_per_image(self) -> int:
        return self.image_words

    @property
    def cost(self) -> Cost:
        if self.depth_words == 2:
            return Cost(combs=8 + self.width_bits)
        memory = ram(self.depth_words, self.width_bits)
        # Block RAM is read a cycle late; what was written in that cycle goes around it.
        bypass = (20 + 2 * self.width_bits) * bool(memory.block_rams)
        return memory + Cost(combs=4 + 6.2 * index_bits(self.depth_words) + bypass)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits, "Depth": self.depth_words}


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


@dataclass(frozen=True, kw_only=True)
class ResizeElementsKernel:
    """`resize_elements`: wires that widen or narrow every element; it has no handshake."""

    module: ClassVar[str] = "resize_elements"

    elements: int
    in_bits: int
    out_bits: int
    signed: bool

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""
        return {
            "Elements": self.elements,
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "Signed": int(self.signed),
        }


@dataclass(frozen=True, kw_only=True)
class StreamLastKernel:
    """`stream_last`: marks the last of every `beats` beats of the stream that it listens to."""

    module: ClassVar[str] = "stream_last"

    beats: int

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""
        return {"Beats": self.beats}
