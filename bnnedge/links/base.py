"""What every link answers for: the device that a host talks to over it, as in a bitstream."""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.errors import ConfigError, SynthesisError, named
from bnnedge.families import Board
from bnnedge.families.placed import FpgaBoard
from bnnedge.links.store import Measured
from bnnedge.records import to_json

DEVICE_FILE = "device.json"
SV_FOLDER = Path(__file__).parent / "sv"
MOST = 10**10  # Hz, and what divides them


class SimulatedBoard(ABC):
    """What a driver finds at its end of the link: a model of the device, with its own clock.

    Attributes:
        grace_s: how long a reply may take beyond what device and link need.
    """

    grace_s: float

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Clock cycles since power-on."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Simulated time since power-on."""

    @abstractmethod
    def close(self) -> None:
        """Free the model; a second call does nothing."""


class Conversation(ABC):
    """A netlist with a board's own top, and what speaks to it through its pins.

    Attributes:
        pins: what they are, for people.
    """

    pins: ClassVar[str]

    @property
    @abstractmethod
    def clocks(self) -> int:
        """Clock cycles since power-on."""

    @abstractmethod
    def identify(self) -> None:
        """Raise MismatchError unless the device is the one that was planned."""

    @abstractmethod
    def exchange(self, first: int, images: NDArray[Any]) -> NDArray[np.int64]:
        """Results (N, K) of encoded images (N, …), of which the first has that number.

        Raises:
            SimulationError: the device does not answer, or answers with a fault.
        """

    @abstractmethod
    def measure(self) -> Measured | None:
        """What the device counts while it runs its stored images; None: it has none.

        Raises:
            MismatchError: not all results came, or one was wrong.
            SimulationError: see `exchange`.
        """


class Device(ABC):
    """A device around a network, in a bitstream. Its classes are frozen dataclasses.

    Attributes:
        interface: the link's name.
        options: what a board's file says of the link.
        board_type: boards that may have it.
        roles: pins that it needs on a board, with the ports of `top` that they go to.
        activity: roles of pins that are low while it receives and sends.
        under_pynq: its host is the processor on the board, which loads the bitstream itself.
        top: module of the device.
        board: the board's name.
        clock_hz: clock of network and device.
        id_word: 32 bits that the device shows.
    """

    interface: ClassVar[str]
    options: ClassVar[type[Any]]
    board_type: ClassVar[type[Board]] = FpgaBoard
    roles: ClassVar[Mapping[str, str]] = MappingProxyType({})
    activity: ClassVar[tuple[str, ...]] = ()
    under_pynq: ClassVar[bool] = False
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

    def with_store(self, images: int) -> Self:
        """The same device with so many images and their results in block RAM.

        Raises:
            SynthesisError: the link has none such.
        """
        raise SynthesisError(
            f"{named('store')}: a device on {self.interface} holds no images, got {images}"
        )

    @property
    def memory_files(self) -> tuple[str, ...]:
        """Names of what `memory_texts` gives."""
        return ()

    def memory_texts(self, design: Design, dataflow: Dataflow) -> Mapping[str, str]:
        """Memory files of its own, by name: beside those of the network."""
        return {}

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
    def parameters(self, design: Design) -> Mapping[str, int | str]:
        """Parameters of `top` around a design."""

    @abstractmethod
    def manifest(self, design: Design) -> dict[str, Any]:
        """What a driver must know of the way to the device."""

    @abstractmethod
    def simulated(
        self, sources: Sequence[Path], folder: Path, design: Design, disturbed: Any = None
    ) -> SimulatedBoard:
        """The device as a host finds it.

        Args:
            sources: files of the device and the network.
            folder: where the network's memory files are.
            design: the network.
            disturbed: what goes wrong on the way; the link's own kind of record.

        Raises:
            ToolMissingError: g++ or Verilator is needed and not installed.
        """

    def for_simulation(self, clocks_per_bit: int | None) -> Self:
        """The same device, where nothing on the way needs time; `clocks_per_bit` is of a line."""
        return self

    def converse(
        self, sources: Sequence[Path], top: str, board: FpgaBoard, rtl: Path, cache: Path | None
    ) -> AbstractContextManager[Conversation]:
        """The netlist of a board's top, through the pins of the link.

        Raises:
            SynthesisError: the link has none.
        """
        raise SynthesisError(f"{board.name}: there is no conversation with a netlist over its link")

    @abstractmethod
    def buffer_words(self, design: Design) -> int:
        """Words of input that it has room for before the network, those that it holds included."""

    def in_blocks(self, design: Design) -> bool:
        """Whether these are in block RAM, whatever is cheaper."""
        return False

    def stored_results(self, design: Design) -> int:
        """Words of results that it holds in block RAM."""
        return 0

    @abstractmethod
    def images_per_second(self, design: Design) -> dict[str, float]:
        """What the link allows, by its name in facts; nothing where it is never the limit."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Link and speed, for people."""

    @classmethod
    def of(cls, manifest: Any) -> Self:
        """The device that a package's manifest tells of."""
        assert dataclasses.is_dataclass(cls)
        return cls(**{field.name: getattr(manifest, field.name) for field in fields(cls)})

    def readme(self, network: str, bitstream: str) -> str:
        """What a package says to those who have the board."""
        return f"{network} for {self.board}, id {self.id_word:#010x}: {bitstream}\n"

    @property
    def settings(self) -> dict[str, Any]:
        """Its fields by name."""
        assert dataclasses.is_dataclass(self)
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def record(self) -> dict[str, Any]:
        """What `device.json` holds."""
        return dict(to_json(self))

    def save(self, folder: Path) -> None:
        """Write `device.json` into `folder`."""
        (folder / DEVICE_FILE).write_text(
            json.dumps(self.record(), indent=1) + "\n", encoding="utf-8"
        )


def check_range(field: str, value: float, least: float, most: float) -> None:
    """Raise ConfigError unless a value lies between two others."""
    if not least <= value <= most:
        raise ConfigError(f"{field}: wanted {least} to {most:,}, got {value}")
