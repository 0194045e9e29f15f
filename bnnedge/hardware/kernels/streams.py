"""What moves data between layers, and what finds classes: widths, FIFOs, scores, arg-max, top-k."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnnedge.cost import Cost, carry_chain, ceil_div, index_bits, ram, rom
from bnnedge.dataflow import ElementType, ScoreTable
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import MOST_LANES, Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.memory import hex_words


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


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTableKernel(Kernel):
    """`score_table`: a Dataflow's `ScoreTable`, `pe` classes at a time.

    Attributes:
        node: scores (K, S).
        element: type of the accumulators.
        pe: classes in a word; divides K.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    module: ClassVar[str] = "score_table"

    node: ScoreTable
    element: ElementType
    pe: int
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.node.name, "PE", self.pe, "K", len(self.node.scores))
        if self.pe > MOST_LANES:
            raise FoldingError(f"{self.node.name}: wanted PE up to {MOST_LANES}, got {self.pe}")

    @property
    def in_bits(self) -> int:
        return self.pe * self.element.width_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.node.element.width_bits

    @property
    def cycles_per_image(self) -> int:
        return len(self.node.scores) // self.pe

    @property
    def cost(self) -> Cost:
        words = self.node.scores.size // self.pe
        bits = index_bits(words)
        cost = Cost(combs=10)
        if self.cycles_per_image > 1:
            cost += Cost(combs=1.5 * bits + self.pe * carry_chain(bits))
        lane = rom(words, self.node.element.width_bits)
        return sum((lane for _ in range(self.pe)), cost)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Elements": len(self.node.scores),
            "Pe": self.pe,
            "ElementBits": self.element.width_bits,
            "Reach": -self.node.low,
            "Step": self.node.step,
            "ScoreBits": self.node.element.width_bits,
            "TableFile": f"{self.memory_prefix}scores",
        }

    @property
    def memories(self) -> Mapping[str, str]:
        bits = (self.node.scores[..., None] >> np.arange(self.node.element.width_bits)) & 1
        return {
            f"{self.memory_prefix}scores_{lane:03}.mem": hex_words(
                bits[lane :: self.pe].reshape(-1, bits.shape[-1]).astype(np.uint8)
            )
            for lane in range(self.pe)
        }


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
class TopKKernel(Kernel):
    """`top_k`: indices of the `k` largest of `elements` signed numbers, one in a beat."""

    module: ClassVar[str] = "top_k"

    elements: int
    k: int
    element_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.elements:
            raise FoldingError(f"{self.module}: wanted k from 1 to {self.elements}, got {self.k}")

    @property
    def in_bits(self) -> int:
        return self.element_bits

    @property
    def out_bits(self) -> int:
        return max(1, (self.elements - 1).bit_length())

    @property
    def cycles_per_image(self) -> int:
        return self.elements

    @property
    def cost(self) -> Cost:
        place = carry_chain(self.element_bits) + 1.3 * self.element_bits + 2 * self.out_bits + 8
        first = self.element_bits + self.out_bits  # nothing moves into it but the input
        counter = carry_chain(self.out_bits)
        return Cost(combs=6 + counter + self.k * place - first)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Elements": self.elements, "K": self.k, "ElementBits": self.element_bits}


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
