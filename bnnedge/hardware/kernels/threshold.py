"""`threshold`: integers to bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow import ElementType, Stream, Threshold
from bnnedge.hardware.kernels.base import Frame, Parameter, check_divides
from bnnedge.hardware.kernels.memory import Memory, file_of, table_bits
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdKernel(NodeKernel[Threshold]):
    """`threshold`: a Dataflow's `Threshold`, `pe` channels at a time.

    Attributes:
        node: thresholds and invert flags (C,).
        element: type of the inputs.
        pe: channels in a word; divides C.
        pixels: of an image.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """

    module: ClassVar[str] = "threshold"
    nodes = (Threshold,)
    submodules: ClassVar[tuple[str, ...]] = ("result_stage", "stream_contract")

    node: Threshold
    element: ElementType
    pe: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.node.name, "PE", self.pe, "C", len(self.node.thresholds))

    @classmethod
    def of(
        cls, node: Threshold, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "ThresholdKernel":
        return cls(
            node=node,
            element=befores[0].element,
            pe=fold.pe,
            pixels=befores[0].pixels,
            memory_prefix=memory_prefix,
        )

    @property
    def in_bits(self) -> int:
        return self.pe * self.element.width_bits

    @property
    def out_bits(self) -> int:
        return self.pe

    @property
    def frame(self) -> Frame:
        words = len(self.node.thresholds) // self.pe
        return Frame.of(words, words)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * len(self.node.thresholds) // self.pe

    @property
    def latency_cycles(self) -> int | None:
        return 2 if self.pe == len(self.node.thresholds) else None

    def cost(self, prices: Prices) -> Cost:
        channels, bits = len(self.node.thresholds), self.element.width_bits + 1
        compare = Cost(combs=10 + 1.5 * self.pe * prices.carry_chain(bits))
        return compare + prices.rom(channels // self.pe, self.pe * (bits + 1))

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Channels": len(self.node.thresholds),
            "Pe": self.pe,
            "ElementBits": self.element.width_bits,
            "Signed": int(self.element.signed),
            "TableFile": file_of(*self.memories),
        }

    @property
    def memories(self) -> tuple[Memory]:
        # Beyond the element's range all thresholds are alike: always reached, or never.
        reachable = self.node.thresholds.clip(self.element.smallest, self.element.largest + 1)
        bits = table_bits(
            reachable.astype(np.int64)[None, None],
            self.node.invert,
            pe=self.pe,
            total_bits=self.element.width_bits + 1,
        )
        return (Memory(name=f"{self.memory_prefix}thresholds", bits=bits),)
