"""`sliding_window`: windows as vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import (
    Cost,
)
from bnnedge.dataflow import Window
from bnnedge.hardware.kernels.base import Kernel, Parameter, check_divides
from bnnedge.hardware.kernels.line_buffer import LineBuffer


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
