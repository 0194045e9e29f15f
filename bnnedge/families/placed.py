"""Families whose bitstreams Yosys and nextpnr make, and the boards with an FPGA of one.

What a tool is to do is a value here: a script, arguments, a file's text. `synthesis` runs it.
"""

import enum
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bnnedge import tools
from bnnedge.errors import ConfigError
from bnnedge.families.base import Board, Cells, Family
from bnnedge.names import check_network_name, shown

CELL_FOLDER = Path(__file__).parent / "cells"
NETLIST_JSON = "netlist.json"
NETLIST_VERILOG = "netlist.v"
MAPPED_JSON = "mapped.json"
"""What Yosys wrote, as `NETLIST_VERILOG` has it; `NETLIST_JSON` is as it is placed."""
ROUTED = "routed.config"
ROUTED_JSON = "routed.json"
DELAYS = "routed.sdf"
REPORT = "nextpnr.json"
STATISTICS = "stat.json"
_SITE = re.compile(r"[A-Z]{0,2}[0-9]{1,3}")
_MOST_DRIVE_MA = 24
_NET = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
# What the top module calls something else, and words of SystemVerilog and C++ begin like this.
_RESERVED = re.compile(
    r"(always|accept|reject|sync|first|ignore|illegal|pulsestyle|s|until|wait|and|or|xor|not|co"
    r"|const|dynamic|reinterpret|static|thread|char[0-9]+|i|board)_.*|clk_in|rst_n|reset_q"
)
CLOCK_ROLE = "clk"
_PORTS = {CLOCK_ROLE: "clk_in"}  # `clk` is the network's clock
VECTORS = ("led", "high", "low")
"""Roles of any number of pins: lights, and outputs that are held at a level."""


class Pull(enum.Enum):
    """What a pin does when nothing drives it."""

    NONE = "NONE"
    UP = "UP"
    DOWN = "DOWN"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A ball or pin of the FPGA's package.

    Attributes:
        site: its name in the package.
        pull: of inputs and outputs alike.
        drive_ma: output drive; None: the FPGA's default.
        net: its name in the board's schematic, which becomes that of the port.
    """

    site: str
    pull: Pull = Pull.NONE
    drive_ma: int | None = None
    net: str | None = None

    def __post_init__(self) -> None:
        if not _SITE.fullmatch(self.site):
            raise ConfigError(
                f"site: wanted a pin of the package such as B2 or 35, got {shown(self.site)}"
            )
        if self.drive_ma is not None and not 0 < self.drive_ma <= _MOST_DRIVE_MA:
            raise ConfigError(f"drive_ma: wanted 1 to {_MOST_DRIVE_MA}, got {self.drive_ma}")
        if self.net is not None and (not _NET.fullmatch(self.net) or _RESERVED.fullmatch(self.net)):
            raise ConfigError(
                f"net: wanted a name such as ftdi_txd, of small letters, digits and _, with at"
                f" least one _, got {shown(self.net)}"
            )


@dataclass(frozen=True, kw_only=True)
class FpgaBoard(Board):
    """A board whose FPGA stands alone: an oscillator, and pins with roles.

    Attributes:
        package: of the FPGA.
        speed_grade: of the FPGA; None for a family that has none, or one for each device.
        clock_input_mhz: of the oscillator.
        loader_board: openFPGALoader's name for the board.
        pins: by role: "clk", those of its links, and `VECTORS`.
    """

    family: "PlacedFamily"
    package: str
    speed_grade: int | None = None
    clock_input_mhz: float
    loader_board: str
    pins: Mapping[str, tuple[Pin, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_network_name(self.package, what="package", raises=ConfigError)
        check_network_name(self.loader_board, what="loader_board", raises=ConfigError)
        if not self.clock_input_mhz > 0:
            raise ConfigError(
                f"clock_input_mhz: wanted a number above 0, got {self.clock_input_mhz:g}"
            )
        self.family.check(self)

    def port(self, role: str) -> str:
        """The top module's port for a role; several pins of one are a vector."""
        net = self.pins[role][0].net
        return net or _PORTS.get(role, role)

    @property
    def ports(self) -> Mapping[str, Pin]:
        """Every pin by its port in the top module, with its index in a vector."""
        return {
            f"{self.port(role)}[{index}]" if len(pins) > 1 else self.port(role): pin
            for role, pins in self.pins.items()
            for index, pin in enumerate(pins)
        }


@dataclass(frozen=True, kw_only=True)
class Pll:
    """A setting of a family's PLL.

    Attributes:
        output_mhz: what it delivers.
    """

    output_mhz: float


class PlacedFamily(Family):
    """A family whose bitstreams the open tools make.

    Attributes:
        synthesis: Yosys' command, without the top module.
        overrides: modules of `cells/<name>/` that take the place of the portable ones of the same
            name, or are used by those that do.
        models: files of cells for the simulation of a netlist: of Yosys' library, then ours.
        library: folder of Yosys' models.
        place_tool: nextpnr for the family.
        pack_tool: makes the bitstream.
        constraints: file of pins and clocks.
        bitstream_suffix: of what `pack_tool` makes.
        kinds: nextpnr's names of `resources`, by their names.
        cells: Yosys' cell types by the fields of `Cells`.
    """

    board_type = FpgaBoard
    synthesis: ClassVar[str]
    overrides: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[str]
    models: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]]
    place_tool: ClassVar[str]
    pack_tool: ClassVar[str]
    constraints: ClassVar[str]
    bitstream_suffix: ClassVar[str]
    kinds: ClassVar[Mapping[str, str]]
    cells: ClassVar[Mapping[str, tuple[str, ...]]]

    @property
    def log(self) -> str:
        """File with what Yosys' synthesis says."""
        return f"synth_{self.name}.log"

    @abstractmethod
    def check(self, board: FpgaBoard) -> None:
        """Raise unless a board's device is one of the family's.

        Raises:
            ConfigError: names what is not.
        """

    @abstractmethod
    def choose_pll(self, *, input_mhz: float, wanted_mhz: float) -> Pll:
        """The setting whose output is nearest to `wanted_mhz`.

        Raises:
            SynthesisError: `wanted_mhz` is out of the PLL's range.
        """

    @abstractmethod
    def pll_lines(self, pll: Pll, oscillator: str) -> list[str]:
        """An instance between the oscillator's port and the nets `clk` and `locked`."""

    @abstractmethod
    def constraints_text(self, board: FpgaBoard) -> str:
        """The constraint file: the oscillator's frequency and every pin."""

    @abstractmethod
    def place_arguments(self, board: FpgaBoard, *, seed: int) -> list[str]:
        """Arguments for one run of place and route, all paths relative to its folder.

        A missed clock must not stop it: its report says by how much, and the caller refuses the
        result.
        """

    @abstractmethod
    def pack_arguments(self, bitstream: str) -> list[str]:
        """Arguments for one run of `pack_tool`, all paths relative to its folder."""

    @abstractmethod
    def predict_around(
        self, words: int, bits: int, *, in_blocks: bool, results: tuple[int, int]
    ) -> Mapping[str, int]:
        """What the device around a network will take, where there is a model.

        Args:
            words: of its buffer.
            bits: of each.
            in_blocks: the buffer is in block RAM, whatever is cheaper.
            results: words and bits of those that it holds, and compares others with.
        """

    def block_rams(self, board: FpgaBoard) -> int | None:
        """Blocks of memory that a board's FPGA has; None: not known here."""
        return None

    def clock_hz(self, board: Board, wanted_mhz: float | None) -> int:
        """See the base class."""
        assert isinstance(board, FpgaBoard)
        return round(self.pll_of(board, wanted_mhz).output_mhz * 1e6)

    def pll_of(self, board: FpgaBoard, wanted_mhz: float | None) -> Pll:
        """`choose_pll` behind a board's oscillator; None: for the board's default clock."""
        return self.choose_pll(
            input_mhz=board.clock_input_mhz, wanted_mhz=wanted_mhz or board.default_clock_mhz
        )

    def move_registers(self, netlist: Path) -> bool:
        """Move registers into other cells of a flattened netlist (JSON); whether there were any."""
        return False

    def prepare(self, netlist: Path) -> None:
        """Change a netlist (JSON) before it is placed."""

    def script(self, sources: Sequence[str], top: str) -> str:
        """The script that makes a netlist for place and route and the same as Verilog.

        It runs where `write_overrides` was.
        """
        return script_text(
            *read_commands(sources),
            *self.override_commands(),
            f"hierarchy -top {top}",
            *self.synthesis_commands(top),
            "delete */t:$scopeinfo",
            f"tee -q -o {STATISTICS} stat -json",
            f"write_json {NETLIST_JSON}",
            f"write_verilog -noattr {NETLIST_VERILOG}",
        )

    def synthesis_commands(self, top: str) -> list[str]:
        """Commands that make cells of what was read; what Yosys says goes to `log`."""
        return [f"tee -q -o {self.log} {self.synthesis} -top {top}"]

    def write_overrides(self, folder: Path) -> None:
        """Put what `override_commands` read into the folder in which Yosys runs."""
        if self.overrides:
            (folder / self.name).mkdir()
        for module in self.overrides:
            text = (CELL_FOLDER / self.name / f"{module}.sv").read_text(encoding="utf-8")
            (folder / self.name / f"{module}.sv").write_text(text, encoding="utf-8")

    def override_commands(self) -> list[str]:
        """Commands that follow the reading of the sources in a script."""
        return [
            f"read_verilog -sv -defer -overwrite {self.name}/{module}.sv"
            for module in self.overrides
        ]

    def netlist_sources(self, netlist: Path) -> list[Path]:
        """A netlist and models of its cells, after the waivers, which hold for what follows."""
        library, own = self.models
        return [
            CELL_FOLDER / "waivers.v",
            *(CELL_FOLDER / self.name / name for name in own),  # of two, Verilator takes the first
            *(tools.yosys_models(self.library) / name for name in library),
            netlist,
        ]

    def count_cells(self, kinds: Mapping[str, int]) -> Cells:
        """Sort cells by what they cost."""
        return Cells(
            **{
                field: sum(kinds.get(kind, 0) for kind in names)
                for field, names in self.cells.items()
            }
        )


def read_commands(sources: Sequence[str]) -> list[str]:
    """Commands of Yosys that read SystemVerilog."""
    # -defer: a kernel with its default parameters would look for memory files that are not there.
    return [f"read_verilog -sv -defer {name}" for name in sources]


def script_text(*lines: str) -> str:
    """A script of Yosys."""
    return "\n".join(lines) + "\n"
