"""What the families of Xilinx share: Yosys estimates the network, Vivado makes the bitstream.

Tools       Yosys (synth_xilinx) for the estimate; Vivado, where it is found.
Products    a project for Vivado with `bnnedge_axi` behind an AXI DMA; from Vivado `<name>.bit` and
            `<name>.hwh`.
Overrides   none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from bnnedge.cost import ceil_div
from bnnedge.design import TOP_MODULE, Design
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.families.base import Board, Family
from bnnedge.families.placed import STATISTICS, read_commands, script_text
from bnnedge.names import check_label, check_network_name, shown

_MOST_DIVISOR = 63  # of each of the two dividers behind a PLL (UG585, UG1085)
_MIN_CLOCK_MHZ = 10.0
_MOST = 1 << 20  # MHz and MiB of a board
# Room that an estimate leaves for DMA, interconnects and registers.
_AROUND = {"lut": 8_000, "ff": 10_000, "bram36": 8}


class ProcessingSystem(Enum):
    """What is beside the logic of a Zynq: that of a Zynq-7000 or of a Zynq UltraScale+."""

    PS7 = "ps7"
    PSU = "psu"


@dataclass(frozen=True, kw_only=True)
class ZynqBoard(Board):
    """A board that PYNQ runs on: Yosys estimates its resources, Vivado makes its bitstream.

    Attributes:
        part: Vivado's name of the device, with package and speed grade.
        ps_properties: what the processing system is set to, by Vivado's names.
        memory_mib: of the memory from address 0 that the DMA must reach.
        pll_mhz: of the PLL that the running board divides the logic's clock from.
        max_clock_mhz: between processing system and logic.
        totals: what the device has, by the names of its family's `resources`.
        target_fps: images/s at the default clock for which named networks fit, by network.
    """

    family: "XilinxFamily"
    part: str
    ps_properties: Mapping[str, int | float | str]
    memory_mib: int
    pll_mhz: float
    max_clock_mhz: float
    totals: Mapping[str, int]
    target_fps: Mapping[str, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_network_name(self.part, what="part", raises=ConfigError)
        for name in ("memory_mib", "pll_mhz", "max_clock_mhz"):
            if not 0 < getattr(self, name) <= _MOST:
                raise ConfigError(
                    f"{name}: wanted a number above 0 and up to {_MOST:,},"
                    f" got {getattr(self, name):g}"
                )
        for name, count in self.totals.items():
            if name not in self.family.resources or count < 1:
                raise ConfigError(
                    f"totals: wanted 1 or more of {', '.join(self.family.resources)},"
                    f" got {shown(name)} = {count}"
                )
        for name in self.ps_properties:
            check_label(name, what="ps_properties", raises=ConfigError)


class XilinxFamily(Family):
    """A family of Xilinx with a processing system.

    Attributes:
        log: file with what Yosys' synthesis says.
        ps: which processing system.
    """

    board_type = ZynqBoard
    tools = ("yosys",)
    flow = "Vivado"
    estimate = "Yosys synth_xilinx of the network alone"
    resources: ClassVar[Mapping[str, str]] = {
        "lut": "LUT",
        "ff": "FF",
        "carry4": "CARRY4",
        "carry8": "CARRY8",
        "bram36": "BRAM36",
        "dsp": "DSP",
    }
    log = "synth_xilinx.log"
    ps: ClassVar[ProcessingSystem]

    def clock_hz(self, board: Board, wanted_mhz: float | None) -> int:
        """The clock nearest to the wanted one that the processing system can divide."""
        assert isinstance(board, ZynqBoard)
        wanted = wanted_mhz or board.default_clock_mhz
        if not _MIN_CLOCK_MHZ <= wanted <= board.max_clock_mhz:
            raise SynthesisError(
                f"clock_mhz: wanted {_MIN_CLOCK_MHZ:g} to {board.max_clock_mhz:g} MHz for"
                f" {board.name}, got {wanted:g}"
            )
        divisors = range(1, _MOST_DIVISOR + 1)
        possible = {board.pll_mhz / (first * second) for first in divisors for second in divisors}
        allowed = [mhz for mhz in possible if mhz <= board.max_clock_mhz]
        return round(min(allowed, key=lambda mhz: abs(mhz - wanted)) * 1e6)

    def predict(self, design: Design) -> Mapping[str, int]:
        """What an estimate will hardly exceed, from the cells that a design counts.

        A LUT6 does at least what a LUT4 does, and a RAMB36 holds two blocks of 18 kbit. Measured,
        no bound: docs/reference/vivado.md has both beside Yosys.
        """
        return {"lut": design.combs, "bram36": ceil_div(design.block_rams, 2)}

    def script(self, sources: Sequence[str]) -> str:
        """The script of Yosys that estimates `bnnedge_core`."""
        return script_text(
            *read_commands(sources),
            f"hierarchy -top {TOP_MODULE}",
            f"tee -q -o {self.log} synth_xilinx -family {self.name}"
            f" -flatten -noiopad -top {TOP_MODULE}",
            "delete */t:$scopeinfo",
            f"tee -q -o {STATISTICS} stat -json",
        )

    def fits(self, board: ZynqBoard, estimated: Mapping[str, float]) -> bool:
        """Whether an estimate of the network leaves room for what goes around it."""
        return all(
            estimated[name] + _AROUND.get(name, 0) <= available
            for name, available in board.totals.items()
        )

    def count(self, kinds: Mapping[str, int]) -> dict[str, int]:
        """Yosys' cells by what they cost: lut, ff, carry4, carry8, bram36 (rounded up), dsp.

        A RAM32M takes four LUTs, a RAM64M four, a RAM32X1D or RAM64X1D two, an SRL one (UG474); a
        RAM32M16 or RAM64M8 eight (UG574). Yosys maps carries to CARRY4 for UltraScale+ too, where
        two are a CARRY8.
        """
        luts = {f"LUT{n}": 1 for n in range(1, 7)} | {
            "INV": 1,
            "SRL16E": 1,
            "SRLC32E": 1,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1D": 4,
            "RAM32M": 4,
            "RAM64M": 4,
            "RAM32M16": 8,
            "RAM64M8": 8,
        }

        def count(*names: str) -> int:
            return sum(kinds.get(name, 0) for name in names)

        return {
            "lut": sum(kinds.get(kind, 0) * cost for kind, cost in luts.items()),
            "ff": count("FDRE", "FDSE", "FDCE", "FDPE"),
            "carry4": count("CARRY4"),
            "carry8": ceil_div(count("CARRY4"), 2),
            "bram36": count("RAMB36E1", "RAMB36E2") + ceil_div(count("RAMB18E1", "RAMB18E2"), 2),
            "dsp": count("DSP48E1", "DSP48E2"),
        }
