"""Windows over feature maps: `sliding_window`, `pool`, `pool_window`."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import (
    Cost,
    block_memory,
    carry_chain,
    index_bits,
    lut_ram,
    lut_rom,
)
from bnnedge.dataflow import ElementType, MaxPool, Stream, SumPool, Window
from bnnedge.hardware.kernels.base import Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.memory import hex_words

# A line buffer of more bits, or more words, goes to block RAM: LUT RAM would take as many LUTs for
# its output multiplexers as for its cells.
_LUT_RAM_BITS = 1024
_LUT_RAM_WORDS = 64


@dataclass(frozen=True, kw_only=True)
class LineBuffer:
    """The parameters of `line_buffer`: a window over words.

    Attributes:
        window: kernel, stride, dilation and padding.
        height: of the feature map.
        width: of the feature map.
        pixel_words: words of a pixel.
        word_bits: bits of a word.
    """

    window: Window
    height: int
    width: int
    pixel_words: int
    word_bits: int

    @property
    def words_in(self) -> int:
        """Words of a feature map."""
        return self.height * self.width * self.pixel_words

    @property
    def words_out(self) -> int:
        """Words of all windows of a feature map."""
        rows, columns = self.window.output_size(self.height, self.width)
        return rows * columns * self.window.taps * self.pixel_words

    @property
    def cycles_per_image(self) -> int:
        """Clock cycles between images: a word in and a word out per cycle."""
        return max(self.words_in, self.words_out)

    @property
    def depth_words(self) -> int:
        """Depth with which neither a frame's end nor a burst of input slows anything down.

        While the last window of a frame is read, what the next frame's first window needs must
        find room; a producer that sends rows in bursts gets the rows of a stride on top.
        """
        top, left, _, _ = self.window.padding
        (span_rows, span_columns), (stride_rows, stride_columns) = (
            self.window.span,
            self.window.stride,
        )
        rows, columns = self.window.output_size(self.height, self.width)
        span = (span_rows - 1) * self.width + span_columns
        last = (rows - 1) * stride_rows * self.width + (columns - 1) * stride_columns
        start = top * self.width + left
        tail = self.height * self.width + start - last
        fill = max(0, span - start)
        backward = max(
            0,
            (columns - 1) * stride_columns - stride_rows * self.width,
            last - self.height * self.width,
        )
        words = max(span, tail + fill, start + 1) + stride_rows * self.width + backward
        return 1 << (words * self.pixel_words - 1).bit_length()

    @property
    def _in_block_ram(self) -> bool:
        depth = self.depth_words
        return depth > _LUT_RAM_WORDS or depth * self.word_bits > _LUT_RAM_BITS

    @property
    def cost(self) -> Cost:
        """Cells on an ECP5, predicted."""
        loops = (
            self.pixel_words,
            *self.window.kernel,
            *self.window.output_size(self.height, self.width),
        )
        combs = 25 + 5.5 * sum(map(index_bits, loops))
        top, left, bottom, right = self.window.padding
        if any(self.window.padding):
            edges = (self.height + top + bottom + 1, self.width + left + right + 1)
            combs += 8.2 * sum(map(index_bits, edges)) + self.word_bits
        memory = block_memory if self._in_block_ram else lut_ram
        return Cost(combs=combs) + memory(self.depth_words, self.word_bits)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the parameters that every user of a line buffer has."""
        top, left, bottom, right = self.window.padding
        return {
            "InHeight": self.height,
            "InWidth": self.width,
            "KernelHeight": self.window.kernel[0],
            "KernelWidth": self.window.kernel[1],
            "StrideHeight": self.window.stride[0],
            "StrideWidth": self.window.stride[1],
            "DilationHeight": self.window.dilation[0],
            "DilationWidth": self.window.dilation[1],
            "PadTop": top,
            "PadLeft": left,
            "PadBottom": bottom,
            "PadRight": right,
            "Depth": self.depth_words,
            "BlockRam": int(self._in_block_ram),
        }


@dataclass(frozen=True, kw_only=True)
class SlidingWindowKernel(Kernel):
    """`sliding_window`: a Dataflow's `SlidingWindow`, `simd` channels at a time.

    Attributes:
        name: of the node.
        window: kernel, stride, dilation and padding.
        shape: (H, W, C) of the input.
        element_bits: bits of an element.
        simd: channels in a word; divides those of a group.
        groups: parts that the channels are split into.
        fill: what padding is.
    """

    module: ClassVar[str] = "sliding_window"
    submodules: ClassVar[tuple[str, ...]] = ("line_buffer", "loop_counter", "stream_contract")

    name: str
    window: Window
    shape: tuple[int, int, int]
    element_bits: int
    simd: int
    groups: int = 1
    fill: int = 0

    def __post_init__(self) -> None:
        check_divides(self.name, "SIMD", self.simd, "C/groups", self.shape[2] // self.groups)

    @property
    def line_buffer(self) -> LineBuffer:
        """What holds the lines."""
        return LineBuffer(
            window=self.window,
            height=self.shape[0],
            width=self.shape[1],
            pixel_words=self.shape[2] // self.simd,
            word_bits=self.in_bits,
        )

    @property
    def in_bits(self) -> int:
        return self.simd * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.simd * self.element_bits

    @property
    def cycles_per_image(self) -> int:
        return self.line_buffer.cycles_per_image

    @property
    def cost(self) -> Cost:
        return self.line_buffer.cost

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "ElementBits": self.element_bits,
            "Channels": self.shape[2],
            "Simd": self.simd,
            "Groups": self.groups,
            **self.line_buffer.parameters,
            "Fill": self.fill & ((1 << self.element_bits) - 1),
        }


class PoolKind(Enum):
    """What a pool makes of a window."""

    BITS = "OR or AND of bits"
    SUM = "sum of two's complement integers"
    SIGNED_MAX = "largest two's complement integer"
    UNSIGNED_MAX = "largest unsigned integer"

    @classmethod
    def of(cls, node: MaxPool | SumPool, element: ElementType) -> "PoolKind":
        """The kind of a node whose input is of type `element`."""
        if isinstance(node, SumPool):
            return cls.SUM
        if node.conjunction is not None:
            return cls.BITS
        return cls.SIGNED_MAX if element.signed else cls.UNSIGNED_MAX


@dataclass(frozen=True, kw_only=True, eq=False)
class _PoolKernel(Kernel):
    """What both pools share.

    Attributes:
        name: of the node.
        kind: what becomes of a window.
        window: kernel, stride, dilation and padding.
        shape: (H, W, C) of the input.
        conjunction: bool (C,), AND instead of OR, for a pool on bits; else None.
        element_bits: bits of an element.
        result_bits: bits of a pooled element.
        lanes: channels in a word; divides C.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """

    name: str
    kind: PoolKind
    window: Window
    shape: tuple[int, int, int]
    conjunction: NDArray[np.bool_] | None
    element_bits: int
    result_bits: int
    lanes: int
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.name, "lanes", self.lanes, "C", self.shape[2])

    @property
    def in_bits(self) -> int:
        return self.lanes * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.lanes * self.result_bits

    @property
    @abstractmethod
    def _geometry(self) -> Mapping[str, Parameter]:
        """Parameters about the window."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        maximum = {"Max": 1, "Signed": int(self.kind is PoolKind.SIGNED_MAX)}
        return {
            "Sum": int(self.kind is PoolKind.SUM),
            **(maximum if self._is_maximum else {}),
            "ElementBits": self.element_bits,
            "ResultBits": self.result_bits,
            "Channels": self.shape[2],
            "Lanes": self.lanes,
            **self._geometry,
            "ConjunctionFile": next(iter(self.memories), ""),
        }

    @property
    def _is_maximum(self) -> bool:
        return self.kind in (PoolKind.SIGNED_MAX, PoolKind.UNSIGNED_MAX)

    @property
    def _combine_cost(self) -> Cost:
        """Adders, comparators and multiplexers, or the table of which channels are ANDed."""
        if self.conjunction is None:
            chosen = self.result_bits if self._is_maximum else 0
            return Cost(combs=self.lanes * (carry_chain(self.result_bits) + chosen))
        table = lut_rom(self.shape[2] // self.lanes, self.lanes)
        return table if self.conjunction.any() else Cost()

    @property
    def memories(self) -> Mapping[str, str]:
        if self.conjunction is None or not self.conjunction.any():
            return {}
        words = self.conjunction.astype(np.uint8).reshape(-1, self.lanes)
        return {f"{self.memory_prefix}conjunction.mem": hex_words(words)}


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolKernel(_PoolKernel):
    """`pool`: a Dataflow's `MaxPool` or `SumPool` whose windows do not overlap."""

    module: ClassVar[str] = "pool"
    submodules: ClassVar[tuple[str, ...]] = ("pool_axis", "pool_combine", "stream_contract")

    @staticmethod
    def fits(window: Window, height: int, width: int) -> bool:
        """Whether windows are disjoint and every one has a pixel of the feature map."""
        top, left, _, _ = window.padding
        rows, columns = window.output_size(height, width)
        return all(
            span <= stride and before < taps and (windows - 1) * stride - before < size
            for span, stride, taps, before, windows, size in zip(
                window.span,
                window.stride,
                window.kernel,
                (top, left),
                (rows, columns),
                (height, width),
                strict=True,
            )
        ) and all(d == 1 or k == 1 for d, k in zip(window.dilation, window.kernel, strict=True))

    @property
    def cycles_per_image(self) -> int:
        return int(np.prod(self.shape)) // self.lanes

    @property
    def cost(self) -> Cost:
        words = self.shape[2] // self.lanes
        rows, columns = self.window.output_size(*self.shape[:2])
        counters = [words, columns * words, rows + 1, columns + 1]
        counters += [*self.shape[:2], *self.window.stride]
        control = Cost(combs=55 + 1.5 * sum(map(index_bits, counters)))
        return control + self._combine_cost + lut_ram(columns * words, self.out_bits)

    @property
    def _geometry(self) -> Mapping[str, Parameter]:
        rows, columns = self.window.output_size(*self.shape[:2])
        return {
            "InHeight": self.shape[0],
            "InWidth": self.shape[1],
            "KernelHeight": self.window.kernel[0],
            "KernelWidth": self.window.kernel[1],
            "StrideHeight": self.window.stride[0],
            "StrideWidth": self.window.stride[1],
            "PadTop": self.window.padding[0],
            "PadLeft": self.window.padding[1],
            "OutHeight": rows,
            "OutWidth": columns,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolWindowKernel(_PoolKernel):
    """`pool_window`: a Dataflow's `MaxPool` or `SumPool` with any window."""

    module: ClassVar[str] = "pool_window"
    submodules: ClassVar[tuple[str, ...]] = (
        "line_buffer",
        "loop_counter",
        "pool_combine",
        "stream_contract",
    )

    @property
    def line_buffer(self) -> LineBuffer:
        """What holds the lines."""
        return LineBuffer(
            window=self.window,
            height=self.shape[0],
            width=self.shape[1],
            pixel_words=self.shape[2] // self.lanes,
            word_bits=self.in_bits,
        )

    @property
    def cycles_per_image(self) -> int:
        return self.line_buffer.cycles_per_image

    @property
    def cost(self) -> Cost:
        # The multiplexer of a maximum leaves padding out, too.
        padding = 0 if self._is_maximum else 2 * self.out_bits
        return Cost(combs=20 + padding) + self._combine_cost + self.line_buffer.cost

    @property
    def _geometry(self) -> Mapping[str, Parameter]:
        return self.line_buffer.parameters


def pool_kernel(
    node: MaxPool | SumPool, stream: Stream, lanes: int, *, memory_prefix: str = ""
) -> PoolKernel | PoolWindowKernel:
    """The cheaper pool that does it.

    Args:
        node: the pool.
        stream: its input, a feature map.
        lanes: channels in a word; divides C.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """
    height, width, channels = stream.shape
    form = PoolKernel if PoolKernel.fits(node.window, height, width) else PoolWindowKernel
    return form(
        name=node.name,
        kind=PoolKind.of(node, stream.element),
        window=node.window,
        shape=(height, width, channels),
        conjunction=node.conjunction if isinstance(node, MaxPool) else None,
        element_bits=stream.element.width_bits,
        result_bits=node.output_stream(stream).element.width_bits,
        lanes=lanes,
        memory_prefix=memory_prefix,
    )
