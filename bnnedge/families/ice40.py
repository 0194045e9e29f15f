"""Lattice iCE40 HX.

Tools       Yosys (synth_ice40), nextpnr-ice40, icepack: `pip install bnnedge[ice40]`.
Products    `<name>.bin`, `pins.pcf`, the netlist as Verilog.
Overrides   none.
Cells       as Yosys models them, the contents of block RAM too; SB_PLL40_CORE is ours.
PLL         SB_PLL40_CORE with its feedback from the VCO.

There is no RAM in lookup tables: FIFOs become flip-flops. A logic cell is a lookup table, a carry
and a flip-flop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.design import Design
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.families.placed import (
    CLOCK_ROLE,
    NETLIST_JSON,
    REPORT,
    ROUTED,
    FpgaBoard,
    PlacedFamily,
    Pll,
    Pull,
)
from bnnedge.names import shown
from bnnedge.verilog import instance

_DETECTOR_MHZ = (10.0, 133.0)
_VCO_MHZ = (533.0, 1066.0)
_OUTPUT_MHZ = (16.0, 275.0)
_MOST_DIVR, _MOST_DIVF = 15, 127
_DIVQ = range(1, 7)
# FILTER_RANGE by the frequency at the phase detector, as IceStorm's icepll chooses it.
_FILTERS = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (134, 6))
_FLIP_FLOPS = tuple(
    f"SB_DFF{edge}{enable}{reset}"
    for edge in ("", "N")
    for enable in ("", "E")
    for reset in ("", "R", "S", "SR", "SS")
)


@dataclass(frozen=True, kw_only=True)
class Ice40Pll(Pll):
    """Divisors of an SB_PLL40_CORE, as its parameters have them, and what comes of them."""

    divr: int
    divf: int
    divq: int
    filter_range: int


class Ice40(PlacedFamily):
    """See the module.

    Attributes:
        devices: their names, and nextpnr's options for them.
    """

    name = "ice40"
    title = "iCE40"
    devices: ClassVar[Mapping[str, str]] = {"iCE40HX4K": "--hx4k", "iCE40HX8K": "--hx8k"}
    tools = ("yosys", "nextpnr-ice40", "icepack")
    flow = "Yosys + nextpnr-ice40"
    resources: ClassVar[Mapping[str, str]] = {"lc": "LC", "bram": "RAM40_4K"}
    synthesis = "synth_ice40"
    library = "ice40"
    models = (("cells_sim.v",), ("SB_PLL40_CORE.v",))
    place_tool = "nextpnr-ice40"
    pack_tool = "icepack"
    constraints = "pins.pcf"
    bitstream_suffix = ".bin"
    kinds: ClassVar[Mapping[str, str]] = {"lc": "ICESTORM_LC", "bram": "ICESTORM_RAM"}
    cells: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "lut4": ("SB_LUT4",),
        "carry": ("SB_CARRY",),
        "lut_ram": (),
        "ff": _FLIP_FLOPS,
        "bram": ("SB_RAM40_4K",),
    }

    def check(self, board: FpgaBoard) -> None:
        """See the base class."""
        if board.device not in self.devices:
            raise ConfigError(
                f"device: wanted one of {', '.join(self.devices)}, got {shown(board.device)}"
            )
        if board.speed_grade is not None:
            raise ConfigError(f"speed_grade: wanted none, got {board.speed_grade}")
        for port, pin in board.ports.items():
            if pin.pull is Pull.DOWN or pin.drive_ma is not None:
                raise ConfigError(f"pins: {port}: the FPGA has neither pull-downs nor drive_ma")

    def predict(self, design: Design) -> Mapping[str, int]:
        """See the base class: there is no model of this family's cells."""
        return {}

    def predict_around(
        self, words: int, bits: int, *, in_blocks: bool, results: tuple[int, int]
    ) -> Mapping[str, int]:
        """See the base class."""
        return {}

    def used_by(self, cells: Mapping[str, int]) -> Sequence[int | None]:
        """Logic cells are at least as many as lookup tables, and as flip-flops."""
        return max(cells["lut4"], cells["ff"]), cells["bram"]

    def choose_pll(self, *, input_mhz: float, wanted_mhz: float) -> Ice40Pll:
        """See the base class.

        f_out = f_in * (DIVF + 1) / (DIVR + 1) / 2**DIVQ. Limits: Lattice FPGA-DS-02029 (iCE40
        LP/HX data sheet), sysCLOCK PLL timing: phase detector 10 to 133 MHz, VCO 533 to 1066 MHz,
        output 16 to 275 MHz. Of equally near settings, the smallest DIVR (least jitter), then the
        fastest VCO.
        """
        if not _OUTPUT_MHZ[0] <= wanted_mhz <= _OUTPUT_MHZ[1]:
            raise SynthesisError(
                f"clock: wanted {_OUTPUT_MHZ[0]:g} to {_OUTPUT_MHZ[1]:g} MHz, got {wanted_mhz:g}",
                remedy="choose another clock",
            )
        found = [
            Ice40Pll(
                divr=divr,
                divf=divf,
                divq=divq,
                filter_range=next(value for below, value in _FILTERS if detector_mhz < below),
                output_mhz=detector_mhz * (divf + 1) / 2**divq,
            )
            for divr in range(_MOST_DIVR + 1)
            if _DETECTOR_MHZ[0] <= (detector_mhz := input_mhz / (divr + 1)) <= _DETECTOR_MHZ[1]
            for divf in range(_MOST_DIVF + 1)
            if _VCO_MHZ[0] <= detector_mhz * (divf + 1) <= _VCO_MHZ[1]
            for divq in _DIVQ
        ]
        if not found:
            raise SynthesisError(
                f"clock: wanted an oscillator of {_DETECTOR_MHZ[0]:g} MHz or more in front of the"
                f" PLL, got {input_mhz:g}"
            )
        return min(
            found, key=lambda pll: (round(abs(pll.output_mhz - wanted_mhz), 6), pll.divr, pll.divq)
        )

    def pll_lines(self, pll: Pll, oscillator: str) -> list[str]:
        """See the base class."""
        assert isinstance(pll, Ice40Pll)
        return instance(
            "SB_PLL40_CORE",
            "pll",
            {
                "REFERENCECLK": oscillator,
                "PLLOUTGLOBAL": "clk",
                "LOCK": "locked",
                "RESETB": "1'b1",
                "BYPASS": "1'b0",
            },
            parameters={
                "FEEDBACK_PATH": "SIMPLE",
                "DIVR": pll.divr,
                "DIVF": pll.divf,
                "DIVQ": pll.divq,
                "FILTER_RANGE": pll.filter_range,
            },
        )

    def constraints_text(self, board: FpgaBoard) -> str:
        """See the base class; the clock behind the PLL is derived from the oscillator's."""
        lines = []
        for port, pin in board.ports.items():
            pull = " -pullup yes" if pin.pull is Pull.UP else ""
            lines.append(f"set_io{pull} {port} {pin.site}")
        lines.append(f"set_frequency {board.port(CLOCK_ROLE)} {board.clock_input_mhz:g}")
        return "\n".join(lines) + "\n"

    def place_arguments(self, board: FpgaBoard, *, seed: int) -> list[str]:
        """See the base class."""
        return [
            self.devices[board.device],
            *("--package", board.package),
            *("--json", NETLIST_JSON),
            *("--pcf", self.constraints),
            *("--seed", str(seed)),
            *("--asc", ROUTED),
            *("--report", REPORT),
            "--timing-allow-fail",
        ]

    def pack_arguments(self, bitstream: str) -> list[str]:
        """See the base class."""
        return [ROUTED, bitstream]
