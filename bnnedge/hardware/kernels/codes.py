"""What the kernels share that make codes of k bits of integers."""

from abc import abstractmethod
from dataclasses import dataclass

from bnnedge.dataflow import ElementType
from bnnedge.hardware.kernels.base import Kernel, check_divides


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeKernel(Kernel):
    """A code for every element, `pe` channels at a time.

    Attributes:
        name: of the node, for messages.
        element_bits: of the inputs, two's complement.
        result: type of the codes.
        pe: channels in a word; divides C.
        pixels: of an image.
        memory_prefix: path, relative to the RTL folder, that the memory files' names start with.
    """

    name: str
    element_bits: int
    result: ElementType
    pe: int
    pixels: int = 1
    memory_prefix: str = ""

    def __post_init__(self) -> None:
        check_divides(self.name, "PE", self.pe, "C", self._channels)

    @property
    @abstractmethod
    def _channels(self) -> int:
        """Channels of a pixel, C."""

    @property
    def in_bits(self) -> int:
        return self.pe * self.element_bits

    @property
    def out_bits(self) -> int:
        return self.pe * self.result.width_bits

    @property
    def cycles_per_image(self) -> int:
        return self.pixels * self._channels // self.pe
