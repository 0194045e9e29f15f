"""What a kernel that does a node of a Dataflow tells about itself on top: the rule for the node."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, TypeVar

from bnnedge.dataflow import Stream
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.hardware.kernels.base import Kernel, divisors

N = TypeVar("N", bound=BaseNode)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Elements that a kernel gives (PE) and takes (SIMD) at a time.

    Attributes:
        unrolled: these are all of a pixel, and constants are logic instead of memories.
    """

    pe: int
    simd: int
    unrolled: bool = False


def lanes_of(*sizes: int, most: int | None = None) -> tuple[Fold, ...]:
    """As many elements in as out, up to `most`, in words that divide all sizes; ascending."""
    lanes = divisors(math.gcd(*sizes))
    return tuple(Fold(pe=n, simd=n) for n in lanes if most is None or n <= most)


class Wanted(Enum):
    """The elements in a word that a kernel gets if it keeps up; else the fewest with which it does.

    Where none do, it gets the most.
    """

    OWN = "those of its first input"
    READER = "SIMD of the only matrix-vector unit behind it"
    FEWEST = "the fewest"


class NodeKernel(Kernel, Generic[N]):
    """A kernel that does nodes of a Dataflow.

    Attributes:
        nodes: types of these.
        wanted: how many elements in a word it gets.
    """

    nodes: ClassVar[tuple[type[BaseNode], ...]] = ()
    wanted: ClassVar[Wanted] = Wanted.OWN

    @classmethod
    def folds(cls, node: N, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        """How many elements in a word it can have for a node with these inputs, ascending."""
        return lanes_of(*(stream.channels for stream in befores))

    @classmethod
    @abstractmethod
    def of(cls, node: N, befores: Sequence[Stream], fold: Fold, memory_prefix: str = "") -> Kernel:
        """The kernel for a node, or a cheaper one that does the same.

        Args:
            node: the node.
            befores: types of its inputs.
            fold: one of `folds`.
            memory_prefix: path, relative to the RTL folder, that memory files' names start with.
        """
