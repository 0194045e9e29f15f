"""What every link answers for: the device that a host talks to over it, as in a bitstream."""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from bnnedge.design import Design
from bnnedge.errors import ConfigError
from bnnedge.families import Board

DEVICE_FILE = "device.json"
SV_FOLDER = Path(__file__).parent / "sv"
MOST = 10**10  # Hz, and what divides them


class Device(ABC):
    """A device around a network, in a bitstream. Its classes are frozen dataclasses.

    Attributes:
        interface: the link's name.
        options: what a board's file says of the link.
        roles: pins that it needs on a board, with the ports of `top` that they go to.
        activity: roles of pins that are low while it receives and sends.
        top: module of the device.
        board: the board's name.
        clock_hz: clock of network and device.
        id_word: 32 bits that the device shows.
    """

    interface: ClassVar[str]
    options: ClassVar[type[Any]]
    roles: ClassVar[Mapping[str, str]] = MappingProxyType({})
    activity: ClassVar[tuple[str, ...]] = ()
    top: ClassVar[str]
    board: str
    clock_hz: int
    id_word: int

    @classmethod
    @abstractmethod
    def plan(
        cls, board: Board, *, clock_hz: int, id_word: int, baud: int | None, window: int
    ) -> Self:
        """The device on a board.

        Args:
            board: which has this link.
            clock_hz: of the network.
            id_word: of the design.
            baud: of a serial line; None: the board's default.
            window: images that may be unanswered at a time.

        Raises:
            SynthesisError: the link does not run at this clock.
        """

    @classmethod
    @abstractmethod
    def require_frame(cls, what: str, size_bytes: int) -> None:
        """Raise unless the link carries so many bytes at a time.

        Raises:
            SynthesisError: it does not.
        """

    @classmethod
    @abstractmethod
    def sources(cls, design: Design) -> tuple[Path, ...]:
        """SystemVerilog files of the device, in compile order, beyond those of `design`."""

    @abstractmethod
    def parameters(self, design: Design) -> dict[str, int]:
        """Parameters of `top` around a design."""

    @abstractmethod
    def manifest(self, design: Design) -> dict[str, Any]:
        """What a driver must know of the way to the device."""

    @abstractmethod
    def images_per_second(self, design: Design) -> dict[str, float]:
        """What the link allows, by its name in facts; nothing where it is never the limit."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Link and speed, for people."""

    def record(self) -> dict[str, Any]:
        """What `device.json` holds."""
        assert dataclasses.is_dataclass(self)
        return dataclasses.asdict(self)

    def save(self, folder: Path) -> None:
        """Write `device.json` into `folder`."""
        (folder / DEVICE_FILE).write_text(
            json.dumps(self.record(), indent=1) + "\n", encoding="utf-8"
        )


def check_range(field: str, value: float, least: float, most: float) -> None:
    """Raise ConfigError unless a value lies between two others."""
    if not least <= value <= most:
        raise ConfigError(f"{field}: wanted {least} to {most:,}, got {value}")
