"""`code_table`: integers to codes of k bits, by table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.cost import Cost, Prices
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Parameter
from bnnedge.hardware.kernels.codes import CodeKernel
from bnnedge.hardware.kernels.memory import Memory, bits_of, file_of


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeTableKernel(CodeKernel):
    """`code_table`: a code for every value of an element.

    Attributes:
        codes: (2**element_bits,), by the element taken as unsigned.
        channels: of a pixel.
    """

    module: ClassVar[str] = "code_table"

    codes: NDArray[np.int64]
    channels: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.codes.shape != (1 << self.element_bits,):
            raise FoldingError(
                f"{self.name}: wanted {1 << self.element_bits} codes, got {self.codes.shape}"
            )

    @property
    def frame(self) -> Frame:
        return Frame.of(1, 1)

    @property
    def _channels(self) -> int:
        return self.channels

    def cost(self, prices: Prices) -> Cost:
        lane = sum(_lut4s(column) for column in self._bits.T)
        return Cost(combs=4 + self.pe * lane)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Pe": self.pe,
            "InBits": self.element_bits,
            "OutBits": self.result.width_bits,
            "TableFile": file_of(*self.memories),
        }

    @property
    def memories(self) -> tuple[Memory]:
        name = f"{self.memory_prefix}codes"
        return (Memory(name=name, bits=self._bits[:, None], readers=self.pe),)

    @property
    def _bits(self) -> NDArray[np.uint8]:
        return bits_of(self.codes, self.result.width_bits)


def _lut4s(column: NDArray[np.uint8]) -> int:
    """LUT4s of a function, given its values (2**n,): cut at its highest input until they fit."""
    index = np.arange(len(column))
    weights = 1 << np.arange(len(column).bit_length() - 1)
    inputs = [weight for weight in weights if (column != column[index ^ weight]).any()]
    if len(inputs) <= 4:
        return int(len(inputs) > 1)
    halves = column.reshape(-1, 2, inputs[-1])
    return 1 + _lut4s(halves[:, 0].reshape(-1)) + _lut4s(halves[:, 1].reshape(-1))
