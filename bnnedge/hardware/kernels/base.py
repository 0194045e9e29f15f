"""What every kernel tells about itself."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bnnedge.cost import Cost, Prices
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.memory import Memory
from bnnedge.verilog import Parameter as Parameter  # what kernels import from here

SV_FOLDER = Path(__file__).parents[1] / "sv"

MOST_LANES = 1000  # kernels with a memory file per lane number them with three digits


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


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a module starts afresh behind: an image, a pixel, a word.

    Attributes:
        taken: words of each input.
        given: words of each output.
    """

    taken: tuple[int, ...]
    given: tuple[int, ...]

    @classmethod
    def of(cls, taken: int, given: int) -> "Frame":
        """Of a module with one input and one output."""
        return cls(taken=(taken,), given=(given,))


class Module(ABC):
    """A module in SystemVerilog and a function in C++, both of the same name."""

    module: ClassVar[str]
    defaults: ClassVar[Mapping[str, int]] = {}
    """What `parameters` may leave out, because in SystemVerilog it is so by itself."""

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""

    @property
    @abstractmethod
    def frame(self) -> Frame:
        """Words between two starts."""

    @property
    def memories(self) -> tuple[Memory | None, ...]:
        """What it reads, in the order of its arguments in C++; None: this one does without."""
        return ()

    @property
    def memory_texts(self) -> Mapping[str, str]:
        """Contents of all memory files by name."""
        return {
            name: text for memory in self.memories if memory for name, text in memory.texts.items()
        }


class Kernel(Module):
    """A module with input and output streams, clock and reset.

    A stream `s` has the ports `s_valid_i`, `s_ready_o` and `s_data_i` where it is an input, and
    `s_valid_o`, `s_ready_i` and `s_data_o` where it is an output.

    Attributes:
        module: name of the SystemVerilog module and its file.
        submodules: modules that it uses.
        ports_in: its inputs.
        ports_out: its outputs.
        holds_input: it waits without loss for what is behind it, because it holds its input itself.
    """

    submodules: ClassVar[tuple[str, ...]] = ("stream_contract",)
    ports_in: ClassVar[tuple[str, ...]] = ("in",)
    ports_out: ClassVar[tuple[str, ...]] = ("out",)
    holds_input: ClassVar[bool] = False

    @property
    @abstractmethod
    def in_bits(self) -> int:
        """Width of `in_data_i`; of several inputs, all together."""

    @property
    @abstractmethod
    def out_bits(self) -> int:
        """Width of `out_data_o`; of several outputs, all together."""

    @property
    def widths_in(self) -> tuple[int, ...]:
        """Widths of the inputs' data, in the order of `ports_in`."""
        return (self.in_bits,)

    @property
    def widths_out(self) -> tuple[int, ...]:
        """Widths of the outputs' data, in the order of `ports_out`."""
        return (self.out_bits,)

    @property
    def replayed_words(self) -> int | None:
        """Input words that it takes in one go, before a pause in which it replays them.

        A FIFO before it cuts the combinational ready path and holds them. None: it wants no FIFO.
        """
        return None

    @property
    @abstractmethod
    def cycles_per_image(self) -> int:
        """Clock cycles between images in the steady state, alone."""

    @property
    def latency_cycles(self) -> int | None:
        """From a word of the input to its word of the output, if each has one.

        Such a kernel is always ready if what is behind it is. None: it is not like that.
        """
        return None

    @abstractmethod
    def cost(self, prices: Prices) -> Cost:
        """What it takes of a family's cells, predicted."""
