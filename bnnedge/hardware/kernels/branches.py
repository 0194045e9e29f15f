"""Where streams branch and meet: forks, sums, channels side by side, codes of k bits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, carry_chain, index_bits, rom
from bnnedge.dataflow import ElementType
from bnnedge.dataflow.branches import MOST_THRESHOLDS
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import MOST_LANES, Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.memory import hex_words

_MOST_TABLE_BITS = 8  # up to here, any table is smaller than the search for it
_NARROW = 4  # adders up to so many bits become LUTs


@dataclass(frozen=True, kw_only=True)
class StreamForkKernel(Kernel):
    """`stream_fork`: words of `width_bits` to two outputs; an image has `image_words`."""

    module: ClassVar[str] = "stream_fork"
    ports_out: ClassVar[tuple[str, ...]] = ("out0", "out1")

    width_bits: int
    image_words: int

    @property
    def in_bits(self) -> int:
        return self.width_bits

    @property
    def out_bits(self) -> int:
        return sum(self.widths_out)

    @property
    def widths_out(self) -> tuple[int, ...]:
        return (self.width_bits, self.width_bits)

    @property
    def cycles_per_image(self) -> int:
        return self.image_words

    @property
    def cost(self) -> Cost:
        return Cost(combs=6)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits}


@dataclass(frozen=True, kw_only=True)
class AddKernel(Kernel):
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
    def cycles_per_image(self) -> int:
        return self.image_words

    @property
    def cost(self) -> Cost:
        # Below the bits of the larger power of two, the other number passes as it is.
        shift = max((factor & -factor).bit_length() - 1 for factor in self.factors)
        lane = _adder(self.result_bits - shift)
        if max(self.factors) < 0:
            lane += _adder(self.result_bits)
        for element, factor in zip((self.a, self.b), self.factors, strict=True):
            if element.bipolar:
                lane += 2 * (self.result_bits - shift > _NARROW)
            else:
                lane += (abs(factor).bit_count() - 1) * _adder(element.width_bits + 1)
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


@dataclass(frozen=True, kw_only=True)
class ConcatKernel(Kernel):
    """`concat`: for every pixel the words of a, then those of b.

    Attributes:
        width_bits: of a word.
        a_words: words of a pixel that come from a.
        b_words: words of a pixel that come from b.
        pixels: of an image.
    """

    module: ClassVar[str] = "concat"
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
    def cycles_per_image(self) -> int:
        return self.pixels * (self.a_words + self.b_words)

    @property
    def cost(self) -> Cost:
        return Cost(combs=3 + 2 * index_bits(self.a_words + self.b_words) + self.width_bits)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Width": self.width_bits, "AWords": self.a_words, "BWords": self.b_words}


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


@dataclass(frozen=True, kw_only=True)
class CropKernel(Kernel):
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

    @property
    def in_bits(self) -> int:
        return self.word_bits

    @property
    def out_bits(self) -> int:
        return self.word_bits

    @property
    def cycles_per_image(self) -> int:
        return self.height * self.width * self.pixel_words

    @property
    def cost(self) -> Cost:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiThresholdKernel(Kernel):
    """`multi_threshold`: how many thresholds an integer reaches, from `low` on.

    Attributes:
        name: of the node, for messages.
        thresholds: int32 (C, L), ascending along L, for C channels; (1, L): all channels' own.
        invert: bool (C,): the code falls where the integer rises, from low + L on.
        low: the least code.
        element_bits: of the inputs, two's complement.
        result: type of the codes.
        pe: channels in a word; divides C.
        pixels: of an image.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    module: ClassVar[str] = "multi_threshold"

    name: str
    thresholds: NDArray[np.int32]
    invert: NDArray[np.bool_]
    low: int
    element_bits: int
    result: ElementType
    pe: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        rows, levels = self.thresholds.shape
        check_divides(self.name, "PE", self.pe, "C", self._channels)
        if self.pe > MOST_LANES:
            raise FoldingError(f"{self.name}: wanted PE up to {MOST_LANES}, got {self.pe}")
        if rows not in (1, self._channels) or not 1 <= levels <= MOST_THRESHOLDS:
            raise FoldingError(
                f"{self.name}: wanted 1 to {MOST_THRESHOLDS} thresholds for each of"
                f" {self._channels} channels or for all, got {self.thresholds.shape}"
            )
        if (np.diff(self.thresholds.astype(np.int64)) < 0).any():
            raise FoldingError(f"{self.name}: wanted ascending thresholds")
        if self.low < self.result.smallest or self.low + levels > self.result.largest:
            raise FoldingError(
                f"{self.name}: wanted a type for codes {self.low} ... {self.low + levels},"
                f" got {self.result}"
            )

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.result.width_bits

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self._channels // self.pe

    @property
    def cost(self) -> Cost:
        folds = self._channels // self.pe
        rows = 1 if self._shared else folds
        lane = Cost()
        for stage in range(self._stages):
            lane += rom(rows << stage, self._threshold_bits)
            lane += Cost(combs=1.5 + carry_chain(self._threshold_bits))
        cost = Cost(combs=10)
        if self.invert.any():
            cost += rom(folds, self.pe)
            lane += Cost(combs=self._stages)
        if folds > 1 and (not self._shared or self.invert.any()):
            cost += Cost(combs=2 * index_bits(folds))
        return sum((lane for _ in range(self.pe)), cost)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Channels": self._channels,
            "Pe": self.pe,
            "InBits": self.element_bits,
            "OutBits": self.result.width_bits,
            "Thresholds": self.thresholds.shape[1],
            "ThresholdBits": self._threshold_bits,
            "Low": self.low,
            "Shared": int(self._shared),
            "TableFile": self._table_file,
            "InvertFile": self._invert_file if self.invert.any() else "",
        }

    @property
    def memories(self) -> Mapping[str, str]:
        table = self._filled
        words = {}
        for lane in range(1 if self._shared else self.pe):
            for stage in range(self._stages):
                step = 1 << (self._stages - stage)
                values = table[lane :: self.pe, step // 2 - 1 :: step].reshape(-1, 1)
                bits = (values >> np.arange(self._threshold_bits)) & 1
                words[f"{self._table_file}_{stage}_{lane:03}.mem"] = hex_words(
                    bits.astype(np.uint8)
                )
        if self.invert.any():
            words[self._invert_file] = hex_words(self.invert.astype(np.uint8).reshape(-1, self.pe))
        return words

    @property
    def _channels(self) -> int:
        return len(self.invert)

    @property
    def _shared(self) -> bool:
        return len(self._filled) == 1

    @property
    def _stages(self) -> int:
        return int(self.thresholds.shape[1]).bit_length()

    @property
    def _element(self) -> ElementType:
        return ElementType(width_bits=self.element_bits, signed=True)

    @property
    def _filled(self) -> NDArray[np.int64]:
        """2**stages − 1 thresholds for each channel, or (1, …) where all have the same.

        Beyond an element's range all are alike.
        """
        missing = (1 << self._stages) - 1 - self.thresholds.shape[1]
        unreachable = self._element.largest + 1
        table = self.thresholds.astype(np.int64).clip(self._element.smallest, unreachable)
        table = table[:1] if (table == table[0]).all() else table
        return np.pad(table, ((0, 0), (0, missing)), constant_values=unreachable)

    @property
    def _threshold_bits(self) -> int:
        return self.element_bits + bool((self._filled > self._element.largest).any())

    @property
    def _table_file(self) -> str:
        return f"{self.memory_prefix}thresholds"

    @property
    def _invert_file(self) -> str:
        return f"{self.memory_prefix}invert.mem"


def _adder(bits: int) -> int:
    """COMB of an adder; a narrow one gets no carry chain."""
    return bits if bits <= _NARROW else carry_chain(bits)


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeTableKernel(Kernel):
    """`code_table`: a code for every value of an element.

    Attributes:
        name: of the node, for messages.
        codes: (2**element_bits,), by the element taken as unsigned.
        element_bits: of the inputs.
        result: type of the codes.
        channels: of a pixel.
        pe: channels in a word; divides `channels`.
        pixels: of an image.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """

    module: ClassVar[str] = "code_table"

    name: str
    codes: NDArray[np.int64]
    element_bits: int
    result: ElementType
    channels: int
    pe: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.name, "PE", self.pe, "C", self.channels)
        if self.codes.shape != (1 << self.element_bits,):
            raise FoldingError(
                f"{self.name}: wanted {1 << self.element_bits} codes, got {self.codes.shape}"
            )

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.result.width_bits

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self.channels // self.pe

    @property
    def cost(self) -> Cost:
        lane = sum(_lut4s(column) for column in self._bits.T)
        return Cost(combs=4 + self.pe * lane)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Pe": self.pe,
            "InBits": self.element_bits,
            "OutBits": self.result.width_bits,
            "TableFile": self._table_file,
        }

    @property
    def memories(self) -> Mapping[str, str]:
        return {self._table_file: hex_words(self._bits)}

    @property
    def _bits(self) -> NDArray[np.uint8]:
        bits = (self.codes[:, None] >> np.arange(self.result.width_bits)) & 1
        return bits.astype(np.uint8)

    @property
    def _table_file(self) -> str:
        return f"{self.memory_prefix}codes.mem"


def multi_threshold_kernel(
    *,
    name: str,
    thresholds: NDArray[np.int32],
    invert: NDArray[np.bool_],
    low: int,
    element_bits: int,
    result: ElementType,
    pe: int,
    pixels: int = 1,
    memory_prefix: str = "",
) -> MultiThresholdKernel | CodeTableKernel:
    """The cheaper kernel that does it; for the arguments see `MultiThresholdKernel`."""
    search = MultiThresholdKernel(
        name=name,
        thresholds=thresholds,
        invert=invert,
        low=low,
        element_bits=element_bits,
        result=result,
        pe=pe,
        pixels=pixels,
        memory_prefix=memory_prefix,
    )
    if element_bits > _MOST_TABLE_BITS:
        return search
    values = np.arange(1 << element_bits)
    values -= (values >> (element_bits - 1)) << element_bits
    counts = (values >= thresholds[..., None]).sum(axis=1)
    codes = low + np.where(invert[:, None], thresholds.shape[1] - counts, counts)
    if (codes != codes[0]).any():
        return search
    return CodeTableKernel(
        name=name,
        codes=codes[0],
        element_bits=element_bits,
        result=result,
        channels=len(invert),
        pe=pe,
        pixels=pixels,
        memory_prefix=memory_prefix,
    )


def _lut4s(column: NDArray[np.uint8]) -> int:
    """LUT4s of a function, given its values (2**n,): cut at its highest input until they fit."""
    index = np.arange(len(column))
    weights = 1 << np.arange(len(column).bit_length() - 1)
    inputs = [weight for weight in weights if (column != column[index ^ weight]).any()]
    if len(inputs) <= 4:
        return int(len(inputs) > 1)
    halves = column.reshape(-1, 2, inputs[-1])
    return 1 + _lut4s(halves[:, 0].reshape(-1)) + _lut4s(halves[:, 1].reshape(-1))


def _ends(element: ElementType) -> tuple[int, int]:
    """The least and the greatest number that an element stands for."""
    return (-1, 1) if element.bipolar else (element.smallest, element.largest)
