"""AXI streams and registers: `bnnedge_axi`, behind an AXI DMA (docs/reference/registers.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge.design import Design
from bnnedge.errors import ConfigError
from bnnedge.families import Board
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.links.base import MOST, SV_FOLDER, Device, check_range
from bnnedge.links.simulated_pynq import SimulatedPynq
from bnnedge.names import check_network_name
from bnnedge.verilated.axi import compile_axi_model

AXI_TOP_MODULE = "bnnedge_axi"
AXI_MAP_VERSION = 0x424E4E01  # what the register VERSION reads as
_AXI_FILES = ("axi_registers.sv", f"{AXI_TOP_MODULE}.v")
_KERNELS = Path(__file__).parents[1] / "hardware" / "sv"
_CONVERTER_FILES = ("loop_counter.sv", "stream_contract.sv", "stream_width_converter.sv")
_MOST_DMA_BITS = 1024  # a stream of AMD's AXI DMA (PG021)


@dataclass(frozen=True, kw_only=True)
class AxiOptions:
    """What a board's file says: nothing."""


@dataclass(frozen=True, kw_only=True)
class AxiDevice(Device):
    """An AXI device as it is in a bitstream, behind an AXI DMA.

    Attributes:
        board: its name.
        clock_hz: clock of network, streams and registers.
        id_word: what the register ID reads as.
    """

    interface = "axi"
    options = AxiOptions
    board_type = ZynqBoard
    under_pynq = True
    top = AXI_TOP_MODULE

    board: str
    clock_hz: int
    id_word: int

    def __post_init__(self) -> None:
        check_network_name(self.board, what="board", raises=ConfigError)
        check_range("clock_hz", self.clock_hz, 1, MOST)
        check_range("id_word", self.id_word, 0, (1 << 32) - 1)

    @classmethod
    def plan(
        cls, board: Board, *, clock_hz: int, id_word: int, baud: int | None, window: int
    ) -> "AxiDevice":
        """See the base class; there is no line, and a DMA has no window."""
        return cls(board=board.name, clock_hz=clock_hz, id_word=id_word)

    @classmethod
    def require_frame(cls, what: str, size_bytes: int) -> None:
        """See the base class: a DMA carries any."""

    @classmethod
    def sources(cls, design: Design) -> tuple[Path, ...]:
        """See the base class."""
        wide = max(design.input_width_bits, design.output_width_bits) > _MOST_DMA_BITS
        own = {Path(name).name for name in design.sources}
        converter = [_KERNELS / name for name in _CONVERTER_FILES if wide and name not in own]
        return (*converter, *(SV_FOLDER / name for name in _AXI_FILES))

    def parameters(self, design: Design) -> dict[str, int]:
        """See the base class."""
        return axi_parameters(design)

    def manifest(self, design: Design) -> dict[str, Any]:
        """See the base class."""
        parameters = axi_parameters(design)
        return {
            "interface": self.interface,
            "map_version": f"{AXI_MAP_VERSION:#010x}",
            "input_width_bits": parameters["IN_WIDTH"],
            "output_width_bits": parameters["OUT_WIDTH"],
        }

    def simulated(
        self, sources: Sequence[Path], folder: Path, design: Design, disturbed: Any = None
    ) -> SimulatedPynq:
        """See the base class; `disturbed` is an `AxiTraffic`."""
        library = compile_axi_model(
            sources=sources, top=self.top, parameters=self.parameters(design)
        )
        return SimulatedPynq(library, data_folder=folder, clock_hz=self.clock_hz, traffic=disturbed)

    def buffer_words(self, design: Design) -> int:
        """See the base class: images wait in memory."""
        return 0

    def images_per_second(self, design: Design) -> dict[str, float]:
        """See the base class."""
        return {}

    @property
    def title(self) -> str:
        """See the base class."""
        return "AXI DMA"

    def record(self) -> dict[str, Any]:
        """See the base class."""
        return {"interface": self.interface, **super().record()}


def axi_parameters(design: Design) -> dict[str, int]:
    """Parameters of `bnnedge_axi` around `design`."""
    in_width = min(design.input_width_bits, _MOST_DMA_BITS)
    out_width = min(design.output_width_bits, _MOST_DMA_BITS)
    return {
        "IN_WIDTH": in_width,
        "OUT_WIDTH": out_width,
        "IN_BEATS": design.input_beats * design.input_width_bits // in_width,
        "OUT_BEATS": design.output_beats * design.output_width_bits // out_width,
        "CORE_IN_WIDTH": design.input_width_bits,
        "CORE_OUT_WIDTH": design.output_width_bits,
        "ID_WORD": design.id_word,
    }
