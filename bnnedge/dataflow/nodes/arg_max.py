"""Classes: `ArgMax`."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.base import ClassNode
from bnnedge.dataflow.output_table import OutputTable
from bnnedge.dataflow.streams import ElementType, Stream
from bnnedge.errors import DataflowError


def largest_indices(values: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Values (N, K) → indices (N, k) of the k largest, which fall; the lower first among equals."""
    return np.argsort(-values, axis=1, kind="stable")[:, :k]


@dataclass(frozen=True, kw_only=True)
class ArgMax(ClassNode):
    """The classes: indices of the k largest elements, which fall; the lower first among equals.

    Attributes:
        k: classes per image, at most as many as there are elements.
    """

    gives_classes: ClassVar[bool] = True

    k: int = 1

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if not stream.element.signed or len(stream.shape) != 1:
            raise DataflowError(f"{self.name}: wanted a vector of signed integers, got {stream}")
        if not 1 <= self.k <= stream.channels:
            raise DataflowError(
                f"{self.name}: wanted k from 1 to {stream.channels} classes, got {self.k}"
            )
        width = max(1, (stream.channels - 1).bit_length())
        return Stream(shape=(self.k,), element=ElementType(width_bits=width))

    def run(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Integers (N, K) → classes (N, k)."""
        return largest_indices(values, self.k)

    def verify_order(self, output: OutputTable, ordered: bool) -> bool:
        if not (output.classes and ordered):
            raise DataflowError(
                f"{self.name}: accumulators do not order the classes as the float outputs do"
            )
        if self.k != output.k:
            raise DataflowError(f"{self.name}: wanted k = {output.k} of the output, got {self.k}")
        return True
