"""What every node of a Dataflow says about itself."""

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.output_table import OutputTable
from bnnedge.dataflow.streams import Stream


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseNode(ABC):
    """A function of integers: what it takes, what it gives, and how it is recorded.

    Attributes:
        name: unique in the graph.
        arity: streams that it reads.
        since: version of the record that brought it.
        follows_last: whether it may stand behind the last matrix-vector unit.
    """

    name: str
    arity: ClassVar[int] = 1
    since: ClassVar[int] = 2
    follows_last: ClassVar[bool] = False

    # `**_` lets a node take its inputs as arguments of their own.
    @abstractmethod
    def output_stream(self, *streams: Any, **_: Any) -> Stream:
        """Type of the output for `arity` inputs; raises DataflowError if they misfit."""

    @abstractmethod
    def run(self, *values: Any, **_: Any) -> NDArray[Any]:
        """Batches (N, *shape) of the inputs → a batch of the output; bits are uint8."""

    @property
    def oldest_version(self) -> int:
        """Version of the record from which on it can hold this node."""
        return self.since

    def is_wire(self, *streams: Stream) -> bool:
        """Whether the output is the only one of the inputs, element for element in its order."""
        return False

    def accumulators(self, reach: int, step: int) -> tuple[int, int]:
        """The largest absolute accumulator behind the node, and the distance of neighbours.

        Args:
            reach: the largest absolute accumulator that it reads.
            step: the distance of neighbours among these.
        """
        return reach, step

    def pixels_needed(self, *pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many pixels of a stream must have come for each pixel of the output.

        Args:
            pixels: for every input, how many must have come for each of its pixels; their shape is
                that of the input without channels.
        """
        return functools.reduce(np.maximum, pixels)


class MoveNode(BaseNode):
    """A node that only rearranges elements, and may put constants between them."""

    @property
    def padding(self) -> int:
        """The constant."""
        return 0

    def moved(self, *numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """`run` on the numbers 1, 2, … of all elements, with 0 for the constant."""
        return self.run(*numbers)


class ClassNode(BaseNode):
    """A node that finds classes in hardware, at the end of a graph.

    Attributes:
        gives_classes: classes come out; else it stands right before what gives them.
    """

    gives_classes: ClassVar[bool]

    @abstractmethod
    def verify_order(self, output: OutputTable, ordered: bool) -> bool:
        """Check the node against the float tail that it stands for.

        Args:
            output: the original graph's tail.
            ordered: whether what the node reads orders classes as the float outputs do.

        Returns:
            Whether what it gives does.

        Raises:
            DataflowError: it gives other classes than the float outputs.
        """
