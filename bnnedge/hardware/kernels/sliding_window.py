"""`sliding_window`: windows as vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow import SlidingWindow, Stream
from bnnedge.hardware.kernels.base import Frame, Parameter, check_divides
from bnnedge.hardware.kernels.line_buffer import WindowKernel
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, Wanted, lanes_of


@dataclass(frozen=True, kw_only=True)
class SlidingWindowKernel(WindowKernel, NodeKernel[SlidingWindow]):
    """`sliding_window`: a Dataflow's `SlidingWindow`, `simd` channels at a time.

    Attributes:
        simd: channels in a word; divides those of a group.
        groups: parts that the channels are split into.
        fill: what padding is.
    """

    module: ClassVar[str] = "sliding_window"
    nodes = (SlidingWindow,)
    wanted: ClassVar[Wanted] = Wanted.READER
    holds_input: ClassVar[bool] = True
    submodules: ClassVar[tuple[str, ...]] = ("line_buffer", "loop_counter", "stream_contract")

    simd: int
    groups: int = 1
    fill: int = 0

    def __post_init__(self) -> None:
        check_divides(self.name, "SIMD", self.simd, "C/groups", self.shape[2] // self.groups)

    @classmethod
    def folds(cls, node: SlidingWindow, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return lanes_of(befores[0].channels // node.groups)

    @classmethod
    def of(
        cls, node: SlidingWindow, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "SlidingWindowKernel":
        (stream,) = befores
        height, width, channels = stream.shape
        return cls(
            name=node.name,
            window=node.window,
            shape=(height, width, channels),
            element_bits=stream.element.width_bits,
            simd=fold.simd,
            groups=node.groups,
            fill=node.fill,
        )

    @property
    def in_bits(self) -> int:
        return self.simd * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.simd * self.element_bits

    @property
    def frame(self) -> Frame:
        return Frame.of(self.line_buffer.words_in, self.line_buffer.words_out)

    def cost(self, prices: Prices) -> Cost:
        return self.line_buffer.cost(prices)

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
