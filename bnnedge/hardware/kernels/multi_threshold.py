"""`multi_threshold`: integers to codes of k bits, by search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, Prices, index_bits
from bnnedge.dataflow import ElementType, MultiThreshold, Stream
from bnnedge.dataflow.nodes.multi_threshold import MOST_THRESHOLDS
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import MOST_LANES, Frame, Parameter
from bnnedge.hardware.kernels.code_table import CodeTableKernel
from bnnedge.hardware.kernels.codes import CodeKernel
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of
from bnnedge.hardware.kernels.node_kernel import Fold, NodeKernel, Wanted, lanes_of

_MOST_TABLE_BITS = 8  # up to here, any table is smaller than the search for it


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiThresholdKernel(CodeKernel, NodeKernel[MultiThreshold]):
    """`multi_threshold`: how many thresholds an integer reaches, from `low` on.

    Attributes:
        thresholds: int32 (C, L), ascending along L, for C channels; (1, L): all channels' own.
        invert: bool (C,): the code falls where the integer rises, from low + L on.
        low: the least code.
    """

    module: ClassVar[str] = "multi_threshold"
    nodes = (MultiThreshold,)
    wanted: ClassVar[Wanted] = Wanted.FEWEST  # a lane is a tree of comparators

    thresholds: NDArray[np.int32]
    invert: NDArray[np.bool_]
    low: int

    def __post_init__(self) -> None:
        rows, levels = self.thresholds.shape
        super().__post_init__()
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
        search = cls(
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
        return search.cheapest

    @property
    def cheapest(self) -> "MultiThresholdKernel | CodeTableKernel":
        """This kernel, or the table of all its codes where that is smaller and there is one."""
        if self.element_bits > _MOST_TABLE_BITS:
            return self
        values = np.arange(1 << self.element_bits)
        values -= (values >> (self.element_bits - 1)) << self.element_bits
        counts = (values >= self.thresholds[..., None]).sum(axis=1)
        levels = self.thresholds.shape[1]
        codes = self.low + np.where(self.invert[:, None], levels - counts, counts)
        if (codes != codes[0]).any():
            return self
        shared = {field.name: getattr(self, field.name) for field in fields(CodeKernel)}
        return CodeTableKernel(codes=codes[0], channels=self._channels, **shared)

    @property
    def frame(self) -> Frame:
        words = self._channels // self.pe
        return Frame.of(words, words)

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
