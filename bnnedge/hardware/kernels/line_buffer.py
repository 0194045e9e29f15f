"""`line_buffer`: the lines that a window sees; and what all kernels with windows share."""

from collections.abc import Mapping
from dataclasses import dataclass

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import Window
from bnnedge.hardware.kernels.base import Kernel, Parameter

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

    def cost(self, prices: Prices) -> Cost:
        """What it takes of a family's cells, predicted."""
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
        memory = prices.sliced_memory if self._in_block_ram else prices.lut_ram
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


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowKernel(Kernel):
    """What slides a window over a feature map.

    Attributes:
        name: of the node.
        window: kernel, stride, dilation and padding.
        shape: (H, W, C) of the input.
        element_bits: bits of an element.
    """

    name: str
    window: Window
    shape: tuple[int, int, int]
    element_bits: int

    @property
    def line_buffer(self) -> LineBuffer:
        """What holds the lines."""
        height, width, channels = self.shape
        return LineBuffer(
            window=self.window,
            height=height,
            width=width,
            pixel_words=channels * self.element_bits // self.in_bits,
            word_bits=self.in_bits,
        )

    @property
    def cycles_per_image(self) -> int:
        return self.line_buffer.cycles_per_image
