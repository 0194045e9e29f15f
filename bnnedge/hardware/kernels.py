"""Signatures of the kernels in `sv/`: parameters, stream widths, cycles, memory files.

Each dataclass mirrors one SystemVerilog module of the same file name; what is legal there is
checked here first, with the node's name in the message.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import XnorMvu
from bnnedge.dataflow.mvu import accumulator_type
from bnnedge.errors import FoldingError

SV_FOLDER = Path(__file__).parent / "sv"

# Up to this depth a weight ROM is logic that merges with the XNORs behind it: a synapse's input and
# the fold index fit one LUT4. A deeper one goes to block RAM.
LOGIC_ROM_DEPTH = 8

Parameter = int | str


def divisors(number: int) -> tuple[int, ...]:
    """Every divisor of `number`, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def ceil_div(a: int, b: int) -> int:
    """⌈a / b⌉."""
    return -(-a // b)


def hex_words(bits: NDArray[np.uint8]) -> str:
    """Bits (words, width) → one hexadecimal word a line, bit 0 the lowest, for $readmemh."""
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = ceil_div(bits.shape[1], 4)
    return "".join(row.tobytes().hex()[-digits:] + "\n" for row in packed)


class Kernel(ABC):
    """A module with one input and one output stream (`in_*_i/o`, `out_*_o/i`, clock and reset)."""

    module: ClassVar[str]
    submodules: ClassVar[tuple[str, ...]] = ("stream_contract",)

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""

    @property
    @abstractmethod
    def in_bits(self) -> int:
        """Width of `in_data_i`."""

    @property
    @abstractmethod
    def out_bits(self) -> int:
        """Width of `out_data_o`."""

    @property
    @abstractmethod
    def cycles_per_image(self) -> int:
        """Clock cycles between images in the steady state, alone."""

    @property
    def memories(self) -> Mapping[str, str]:
        """Contents of the memory files by the name that `parameters` gives them."""
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class XnorMvuKernel(Kernel):
    """`xnor_mvu`: a Dataflow's `XnorMvu`, folded.

    Attributes:
        node: weights (MH, MW), thresholds.
        pe: rows at a time; divides MH.
        simd: columns at a time; divides MW.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    module: ClassVar[str] = "xnor_mvu"
    submodules: ClassVar[tuple[str, ...]] = ("popcount", "stream_contract")

    node: XnorMvu
    pe: int
    simd: int
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        for what, value, size, of in (
            ("PE", self.pe, self.node.mh, "MH"),
            ("SIMD", self.simd, self.node.mw, "MW"),
        ):
            if value < 1 or size % value:
                raise FoldingError(
                    f"{self.node.name}: wanted {what} that divides {of}={size}, got {value}",
                    remedy=f"choose one of {', '.join(map(str, divisors(size)))}",
                )

    @property
    def neuron_folds(self) -> int:
        """NF = MH / PE."""
        return self.node.mh // self.pe

    @property
    def synapse_folds(self) -> int:
        """SF = MW / SIMD."""
        return self.node.mw // self.simd

    @property
    def accumulator_bits(self) -> int:
        """Width of one dot product."""
        return accumulator_type(self.node.mw).width_bits

    @property
    def weight_bits(self) -> int:
        """Bits of weights and thresholds kept on chip."""
        thresholds = 0 if self.node.thresholds is None else self.node.mh * self._element_bits
        return self.node.mh * self.node.mw + thresholds

    @property
    def in_bits(self) -> int:
        return self.simd

    @property
    def out_bits(self) -> int:
        return self.pe * (self.accumulator_bits if self.node.thresholds is None else 1)

    @property
    def cycles_per_image(self) -> int:
        return self.neuron_folds * self.synapse_folds

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        thresholded = self.node.thresholds is not None
        return {
            "MatrixWidth": self.node.mw,
            "MatrixHeight": self.node.mh,
            "Pe": self.pe,
            "Simd": self.simd,
            "Thresholded": int(thresholded),
            "BlockRom": int(self.cycles_per_image > LOGIC_ROM_DEPTH),
            "WeightFile": self._weight_file,
            "ThresholdFile": self._threshold_file if thresholded else "",
        }

    @property
    def memories(self) -> Mapping[str, str]:
        folded = self.node.weights.reshape(
            self.neuron_folds, self.pe, self.synapse_folds, self.simd
        ).transpose(0, 2, 1, 3)
        words = {self._weight_file: hex_words(folded.reshape(self.cycles_per_image, -1))}
        if self.node.thresholds is not None and self.node.invert is not None:
            threshold_bits = self._element_bits - 1
            elements = np.concatenate(
                [
                    self.node.thresholds[:, None] >> np.arange(threshold_bits) & 1,
                    self.node.invert[:, None],
                ],
                axis=1,
            ).astype(np.uint8)
            words[self._threshold_file] = hex_words(elements.reshape(self.neuron_folds, -1))
        return words

    @property
    def _element_bits(self) -> int:
        """A threshold in [0, MW + 1] and its invert bit."""
        return (self.node.mw + 1).bit_length() + 1

    @property
    def _weight_file(self) -> str:
        return f"{self.memory_prefix}weights.mem"

    @property
    def _threshold_file(self) -> str:
        return f"{self.memory_prefix}thresholds.mem"


@dataclass(frozen=True, kw_only=True)
class StreamWidthConverterKernel(Kernel):
    """`stream_width_converter`: frames of `frame_bits`, any width to any width."""

    module: ClassVar[str] = "stream_width_converter"

    input_width_bits: int
    output_width_bits: int
    frame_bits: int

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
        in_beats = ceil_div(self.frame_bits, self.in_bits)
        out_beats = ceil_div(self.frame_bits, self.out_bits)
        if self.in_bits > self.out_bits:
            return out_beats
        # The last input beat may complete two output beats; the second one holds up the input.
        before_last = (in_beats - 1) * self.in_bits // self.out_bits
        return in_beats + out_beats - before_last - 1

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "FrameBits": self.frame_bits,
        }


@dataclass(frozen=True, kw_only=True)
class StreamFifoKernel(Kernel):
    """`stream_fifo`: `depth_words` words of `width_bits`; a frame has `frame_words`."""

    module: ClassVar[str] = "stream_fifo"

    width_bits: int
    depth_words: int
    frame_words: int

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
        return self.frame_words

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
        if self.pe < 1 or self.elements % self.pe:
            raise FoldingError(
                f"{self.module}: wanted PE that divides {self.elements}, got {self.pe}",
                remedy=f"choose one of {', '.join(map(str, divisors(self.elements)))}",
            )

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
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Elements": self.elements, "Pe": self.pe, "ElementBits": self.element_bits}


@dataclass(frozen=True, kw_only=True)
class SignExtendKernel:
    """`sign_extend`: wires that widen every element of a beat; it has no handshake."""

    module: ClassVar[str] = "sign_extend"

    elements: int
    in_bits: int
    out_bits: int
    signed: bool

    def __post_init__(self) -> None:
        if self.in_bits > self.out_bits:
            raise FoldingError(
                f"{self.module}: wanted at most {self.out_bits} bits, got {self.in_bits}"
            )

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
