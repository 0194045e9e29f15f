"""`score_table`: accumulators to scores that order as floats do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import ElementType, ScoreTable, Stream
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import MOST_LANES, Frame, Parameter, check_divides
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, lanes_of


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTableKernel(NodeKernel[ScoreTable]):
    """`score_table`: a Dataflow's `ScoreTable`, `pe` classes at a time.

    Attributes:
        node: scores (K, S).
        element: type of the accumulators.
        pe: classes in a word; divides K.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    module: ClassVar[str] = "score_table"
    nodes = (ScoreTable,)

    node: ScoreTable
    element: ElementType
    pe: int
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.node.name, "PE", self.pe, "K", len(self.node.scores))
        if self.pe > MOST_LANES:
            raise FoldingError(f"{self.node.name}: wanted PE up to {MOST_LANES}, got {self.pe}")

    @classmethod
    def folds(cls, node: ScoreTable, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return lanes_of(befores[0].channels, most=MOST_LANES)

    @classmethod
    def of(
        cls, node: ScoreTable, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "ScoreTableKernel":
        return cls(node=node, element=befores[0].element, pe=fold.pe, memory_prefix=memory_prefix)

    @property
    def in_bits(self) -> int:
        return self.pe * self.element.width_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.node.element.width_bits

    @property
    def frame(self) -> Frame:
        words = len(self.node.scores) // self.pe
        return Frame.of(words, words)

    @property
    def cycles_per_image(self) -> int:
        return len(self.node.scores) // self.pe

    def cost(self, prices: Prices) -> Cost:
        words = self.node.scores.size // self.pe
        bits = index_bits(words)
        cost = Cost(combs=10)
        if self.cycles_per_image > 1:
            cost += Cost(combs=1.5 * bits + self.pe * prices.carry_chain(bits))
        lane = prices.rom(words, self.node.element.width_bits)
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
            "TableFile": file_of(*self.memories),
        }

    @property
    def memories(self) -> tuple[Memory]:
        classes, sums = self.node.scores.shape
        lanes = self.node.scores.reshape(classes // self.pe, self.pe, sums).transpose(0, 2, 1)
        bits = bits_of(lanes.reshape(-1, self.pe), self.node.element.width_bits)
        return (Memory(name=f"{self.memory_prefix}scores", bits=bits, lane_files=True),)
