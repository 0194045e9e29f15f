"""`multi_threshold`: integers to codes of k bits, by search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import ElementType, MultiThreshold, Stream
from bnnedge.dataflow.nodes.multi_threshold import MOST_THRESHOLDS
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import MOST_LANES, Frame, Parameter, check_divides
from bnnedge.hardware.kernels.code_table import CodeTableKernel
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, Wanted, lanes_of

_MOST_TABLE_BITS = 8  # up to here, any table is smaller than the search for it


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiThresholdKernel(NodeKernel[MultiThreshold]):
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
    nodes = (MultiThreshold,)
    wanted: ClassVar[Wanted] = Wanted.FEWEST  # a lane is a tree of comparators

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

    @classmethod
    def folds(cls, node: MultiThreshold, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return lanes_of(befores[0].channels, most=MOST_LANES)

    @classmethod
    def of(
        cls, node: MultiThreshold, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "MultiThresholdKernel | CodeTableKernel":
        (stream,) = befores
        return multi_threshold_kernel(
            name=node.name,
            thresholds=node.thresholds,
            invert=node.invert,
            low=node.low,
            element_bits=stream.element.width_bits,
            result=node.element,
            pe=fold.pe,
            pixels=stream.pixels,
            memory_prefix=memory_prefix,
        )

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.result.width_bits

    @property
    def frame(self) -> Frame:
        words = self._channels // self.pe
        return Frame.of(words, words)

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self._channels // self.pe

    def cost(self, prices: Prices) -> Cost:
        folds = self._channels // self.pe
        rows = 1 if self._shared else folds
        lane = Cost()
        for stage in range(self._stages):
            lane += prices.rom(rows << stage, self._threshold_bits)
            lane += Cost(combs=1.5 + prices.carry_chain(self._threshold_bits))
        cost = Cost(combs=10)
        if self.invert.any():
            cost += prices.rom(folds, self.pe)
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
            "InvertFile": file_of(self.memories[0]),
        }

    @property
    def memories(self) -> tuple[Memory | None, ...]:
        return self._invert_memory, *map(self._stage_memory, range(self._stages))

    @property
    def memory_texts(self) -> Mapping[str, str]:
        """As `design.json` has them in order: lane by lane, and inversions last."""
        texts, invert = super().memory_texts, file_of(self._invert_memory)
        return dict(sorted(texts.items(), key=lambda item: (item[0] == invert, item[0][-7:])))

    @property
    def _invert_memory(self) -> Memory | None:
        if not self.invert.any():
            return None
        words = self.invert.astype(np.uint8).reshape(-1, 1, self.pe)
        return Memory(name=f"{self.memory_prefix}invert", bits=words)

    def _stage_memory(self, stage: int) -> Memory:
        """The thresholds that a stage of the search compares with."""
        step = 1 << (self._stages - stage)
        values = self._filled[:, step // 2 - 1 :: step]  # (channels or 1, 2**stage)
        lanes = 1 if self._shared else self.pe
        words = values.reshape(-1, lanes, values.shape[1]).transpose(0, 2, 1).reshape(-1, lanes)
        return Memory(
            name=f"{self._table_file}_{stage}",
            bits=bits_of(words, self._threshold_bits),
            lane_files=True,
            readers=self.pe if self._shared else 1,
        )

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
