"""What every kernel tells about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from bnnedge.cost import Cost
from bnnedge.errors import FoldingError

SV_FOLDER = Path(__file__).parents[1] / "sv"

Parameter = int | str


def divisors(number: int) -> tuple[int, ...]:
    """Every divisor of `number`, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return tuple(sorted({*small, *(number // d for d in small)}))


def check_divides(subject: str, what: str, value: int, of: str, size: int) -> None:
    """Raises FoldingError unless `value` divides `size`, which is called `of`."""
    if value < 1 or size % value:
        raise FoldingError(
            f"{subject}: wanted {what} that divides {of}={size}, got {value}",
            remedy=f"choose one of {', '.join(map(str, divisors(size)))}",
        )


class Kernel(ABC):
    """A module with one input and one output stream (`in_*_i/o`, `out_*_o/i`, clock and reset)."""

    module: ClassVar[str]
    submodules: ClassVar[tuple[str, ...]] = ("stream_contract",)

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""

    @property
    @abstractmethod
    def in_bits(self) -> int:
        """Width of `in_data_i`."""

    @property
    @abstractmethod
    def out_bits(self) -> int:
        """Width of `out_data_o`."""

    @property
    @abstractmethod
    def cycles_per_image(self) -> int:
        """Clock cycles between images in the steady state, alone."""

    @property
    @abstractmethod
    def cost(self) -> Cost:
        """Cells on an ECP5, predicted."""

    @property
    def memories(self) -> Mapping[str, str]:
        """Contents of the memory files by the name that `parameters` gives them."""
        return {}
