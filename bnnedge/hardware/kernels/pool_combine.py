"""What both pools share: what becomes of a window."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, Prices
from bnnedge.dataflow import ElementType, MaxPool, SumPool
from bnnedge.hardware.kernels.base import Frame, Parameter, check_divides
from bnnedge.hardware.kernels.line_buffer import WindowKernel
from bnnedge.hardware.kernels.memory import Memory, file_of


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
class PoolCombineKernel(WindowKernel):
    """What both pools share.

    Attributes:
        kind: what becomes of a window.
        conjunction: bool (C,), AND instead of OR, for a pool on bits; else None.
        result_bits: bits of a pooled element.
        lanes: channels in a word; divides C.
        memory_prefix: path, relative to the RTL folder, that the memory file's name starts with.
    """

    defaults: ClassVar[Mapping[str, int]] = {"Max": 0, "Signed": 0}

    kind: PoolKind
    conjunction: NDArray[np.bool_] | None
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
    def frame(self) -> Frame:
        lines = self.line_buffer
        return Frame.of(lines.words_in, lines.words_out // self.window.taps)

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
            "ConjunctionFile": file_of(*self.memories),
        }

    @property
    def _is_maximum(self) -> bool:
        return self.kind in (PoolKind.SIGNED_MAX, PoolKind.UNSIGNED_MAX)

    def _combine_cost(self, prices: Prices) -> Cost:
        """Adders, comparators and multiplexers, or the table of which channels are ANDed."""
        if self.conjunction is None:
            chosen = self.result_bits if self._is_maximum else 0
            return Cost(combs=self.lanes * (prices.carry_chain(self.result_bits) + chosen))
        table = prices.lut_rom(self.shape[2] // self.lanes, self.lanes)
        return table if self.conjunction.any() else Cost()

    @property
    def memories(self) -> tuple[Memory | None]:
        if self.conjunction is None or not self.conjunction.any():
            return (None,)
        words = self.conjunction.astype(np.uint8).reshape(-1, 1, self.lanes)
        return (Memory(name=f"{self.memory_prefix}conjunction", bits=words),)
