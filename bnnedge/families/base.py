"""What a board is, and what every family of FPGAs answers for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bnnedge.design import Design
from bnnedge.errors import ConfigError
from bnnedge.names import check_label, check_network_name


@dataclass(frozen=True, kw_only=True)
class Board:
    """What every board has.

    Attributes:
        name: what users call it, e.g. "ulx3s-85f".
        family: of its FPGA.
        device: FPGA, e.g. "LFE5U-85F".
        default_clock_mhz: for the network, where the user names none.
        links: what is said of its ways to a host, by their names.
    """

    name: str
    family: "Family"
    device: str
    default_clock_mhz: float
    links: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_network_name(self.name, what="name", raises=ConfigError)
        check_label(self.device, what="device", raises=ConfigError)
        if not self.default_clock_mhz > 0:
            raise ConfigError(
                f"default_clock_mhz: wanted a number above 0, got {self.default_clock_mhz:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Mapped cells of a part of a design.

    Attributes:
        lut4: lookup tables for logic.
        carry: carry cells.
        lut_ram: cells of RAM in lookup tables.
        ff: flip-flops.
        bram: block RAM.
    """

    lut4: int
    carry: int
    lut_ram: int
    ff: int
    bram: int


class Family(ABC):
    """A family of FPGAs: all that differs from one to another.

    Attributes:
        name: in the files of boards; those of Xilinx as Yosys calls them.
        title: for people.
        board_type: what its boards are.
        tools: what a synthesis cannot do without, by `tools.TOOLS`'s names.
        read_with: what reading its bitstreams back takes beside them; nothing: they cannot be.
        flow: what places and routes, for people.
        estimate: how the network alone is estimated, for people; None where it is not.
        resources: names of its resources for people, by their names in `resources.json`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    board_type: ClassVar[type[Board]]
    tools: ClassVar[tuple[str, ...]]
    read_with: ClassVar[tuple[str, ...]] = ()
    flow: ClassVar[str]
    estimate: ClassVar[str | None] = None
    resources: ClassVar[Mapping[str, str]]

    @abstractmethod
    def predict(self, design: Design) -> Mapping[str, int]:
        """What a design alone will take, by the names of `resources`, where there is a model."""

    @abstractmethod
    def clock_hz(self, board: Board, wanted_mhz: float | None) -> int:
        """The network's clock that is nearest to the wanted one; None: to the board's default.

        Raises:
            SynthesisError: it is out of range.
        """

    def used_by(self, cells: Mapping[str, int]) -> Sequence[int | None]:
        """What a part of a design takes, in the order of `resources`; None where it is not known.

        Args:
            cells: numbers by the names of `Cells`' fields.
        """
        return [None for _ in self.resources]
