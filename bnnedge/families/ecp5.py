"""Lattice ECP5.

Tools       Yosys (synth_ecp5), nextpnr-ecp5, ecppack; ecpunpack to read a bitstream back.
Products    `<name>.bit`, compressed; `pins.lpf`; the netlist as Verilog.
Overrides   `popcount`, `adders` and `luts` are made of cells (`cells/ecp5`); ends of carry chains
            that have no effect are disconnected before place and route. Registers behind block
            RAMs become these' output registers (`ecp5_registers`).
Cells       LUT4, CCU2C, TRELLIS_FF and TRELLIS_DPR16X4 as Yosys models them; DP16KD and EHXPLLL
            are ours. PFUMX and L6MUX21, which make wide lookup tables of LUT4s, cost nothing.
PLL         EHXPLLL with its feedback from the output clock.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bnnedge.cost import Cost, Prices, ceil_div, index_bits
from bnnedge.design import Design
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.families.ecp5_registers import move_registers
from bnnedge.families.placed import (
    CLOCK_ROLE,
    DELAYS,
    NETLIST_JSON,
    REPORT,
    ROUTED,
    ROUTED_JSON,
    FpgaBoard,
    PlacedFamily,
    Pll,
)
from bnnedge.names import shown
from bnnedge.verilog import instance

_DEVICES = {"LFE5U-25F": "--25k", "LFE5U-45F": "--45k", "LFE5U-85F": "--85k"}
_BLOCK_RAMS = {"LFE5U-25F": 56, "LFE5U-45F": 108, "LFE5U-85F": 208}
_GRADES = (6, 7, 8)
# UART, frames and PLL around the network, without the buffer for images.
_DEVICE = Cost(combs=405)
# What compares and counts the results of stored images.
_STORE = Cost(combs=360)
_DETECTOR_MHZ = (3.125, 400.0)
_VCO_MHZ = (400.0, 800.0)
_OUTPUT_MHZ = (3.125, 400.0)
_MAX_DIVISOR = 128
_MAX_FEEDBACK = 80
# Memories that nothing writes, of more words than a LUT4 has: logic of their own, until it is cells
# that the synthesis of the others leaves alone.
_WIDE_ROMS = (
    "select -set roms t:$mem_v2 r:WR_PORTS=0 %i r:SIZE>16 %i",
    "select -set others c:* @roms %d",
    "memory_map @roms",
    "opt_expr -mux_undef -undriven -fine c:* @others %d",
    "opt_merge c:* @others %d",
    "techmap c:* @others %d",
    "opt_expr c:* @others %d",
    "opt_merge c:* @others %d",
    "abc -lut 4:7 c:* @others %d",
    "techmap -D NO_FF -map +/lattice/cells_map_trellis.v c:* @others %d",
    "clean",
)
# The middle of the VCO's range: where it locks most surely.
_VCO_TARGET_MHZ = 600.0


@dataclass(frozen=True, kw_only=True)
class Ecp5Prices(Prices):
    """Combs are TRELLIS_COMB: a LUT4, half a carry cell, a sixth of a cell of LUT RAM."""

    def popcount(self, width_bits: int, sum_bits: int) -> int:
        """The rows of `cells/ecp5/popcount.sv`: so many adders of so many bits in a chain."""
        leaves = ceil_div(width_bits, 4)
        rows = [(leaves, 1)]
        for level in range(1, index_bits(leaves) + 1):
            rows.append((ceil_div(leaves, 1 << (level - 1)) // 2, level + 1))
        rows.append((1, sum_bits))
        return sum(self.carry_chain(adders * (bits + 1) + 1) for adders, bits in rows)


@dataclass(frozen=True, kw_only=True)
class Ecp5Pll(Pll):
    """Divisors of an EHXPLLL and what comes of them."""

    input_divisor: int
    feedback_divisor: int
    output_divisor: int

    @property
    def vco_mhz(self) -> float:
        """Frequency of the PLL's oscillator."""
        return self.output_mhz * self.output_divisor


class Ecp5(PlacedFamily):
    """See the module."""

    name = "ecp5"
    title = "ECP5"
    tools = ("yosys", "nextpnr-ecp5", "ecppack")
    read_with = ("ecpunpack",)
    flow = "Yosys + nextpnr-ecp5"
    resources: ClassVar[Mapping[str, str]] = {
        "comb": "LUT4",
        "ff": "FF",
        "bram": "DP16KD",
        "dsp": "DSP",
    }
    # -nowidelut: with the PFU's multiplexers a folded TFC layer takes 20 % more COMB cells at the
    # same clock, and an unrolled one three times as many LUTs. Deep constants have them.
    synthesis = "synth_ecp5 -nowidelut"
    overrides = ("adder_row", "adders", "luts", "popcount")
    library = "lattice"
    models = (("common_sim.vh", "ccu2c_sim.vh"), ("DP16KD.v", "EHXPLLL.v"))
    prices = Ecp5Prices(
        carry_bits=2,
        block_shapes=((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
        lut_ram_shape=(16, 4),
        lut_ram_combs=7,
        lut_rams_per_block=20,
        rom_bits_per_block=2560,
        rom_factor=1.15,
    )
    place_tool = "nextpnr-ecp5"
    # Long wires limit a clock: slow paths have five times their weight. With ten some do not route.
    placer = ("--placer-heap-timingweight", "50")
    pack_tool = "ecppack"
    constraints = "pins.lpf"
    bitstream_suffix = ".bit"
    kinds: ClassVar[Mapping[str, str]] = {
        "comb": "TRELLIS_COMB",
        "ff": "TRELLIS_FF",
        "bram": "DP16KD",
        "dsp": "MULT18X18D",
    }
    cells: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "lut4": ("LUT4",),
        "carry": ("CCU2C",),
        "lut_ram": ("TRELLIS_DPR16X4",),
        "ff": ("TRELLIS_FF",),
        "bram": ("DP16KD",),
    }

    def synthesis_commands(self, top: str) -> list[str]:
        """See the base class; deep constants that are in no block become wide lookup tables."""
        commands = (
            f"{self.synthesis} -top {top} -run begin:map_ffram",
            *_WIDE_ROMS,
            f"{self.synthesis} -run map_ffram:",
        )
        return [
            f"tee -q {'-a' if place else '-o'} {self.log} {command}"
            for place, command in enumerate(commands)
        ]

    def check(self, board: FpgaBoard) -> None:
        """See the base class."""
        if board.device not in _DEVICES:
            raise ConfigError(
                f"device: wanted one of {', '.join(_DEVICES)}, got {shown(board.device)}"
            )
        if board.speed_grade not in _GRADES:
            raise ConfigError(f"speed_grade: wanted one of {_GRADES}, got {board.speed_grade}")

    def predict(self, design: Design) -> Mapping[str, int]:
        """See the base class."""
        return {"comb": design.combs, "bram": design.block_rams}

    def predict_around(
        self, words: int, bits: int, *, in_blocks: bool, results: tuple[int, int]
    ) -> Mapping[str, int]:
        """See the base class."""
        memory = self.prices.block_memory if in_blocks else self.prices.ram
        around = _DEVICE + memory(words, bits)
        if results[0]:
            around += _STORE + self.prices.block_memory(*results)
        return {"comb": round(around.combs), "bram": around.block_rams}

    def block_rams(self, board: FpgaBoard) -> int:
        """See the base class."""
        return _BLOCK_RAMS[board.device]

    def used_by(self, cells: Mapping[str, int]) -> Sequence[int | None]:
        """A carry cell is two lookup tables, one of RAM six: four and two of a write port."""
        luts = cells["lut4"] + 2 * cells["carry"] + 6 * cells["lut_ram"]
        return luts, cells["ff"], cells["bram"], None

    def choose_pll(self, *, input_mhz: float, wanted_mhz: float) -> Ecp5Pll:
        """See the base class.

        f_out = f_in * feedback / input, f_vco = f_out * output. Limits: Lattice FPGA-DS-02012
        (ECP5 data sheet), sysCLOCK PLL timing: phase detector 3.125 to 400 MHz, VCO 400 to 800 MHz,
        output 3.125 to 400 MHz. Of equally near settings, the smallest input divisor (least
        jitter), then the VCO nearest to 600 MHz.
        """
        if not _OUTPUT_MHZ[0] <= wanted_mhz <= _OUTPUT_MHZ[1]:
            raise SynthesisError(
                f"clock: wanted {_OUTPUT_MHZ[0]:g} to {_OUTPUT_MHZ[1]:g} MHz, got {wanted_mhz:g}",
                remedy="choose another clock",
            )
        candidates = []
        for input_divisor in range(1, _MAX_DIVISOR + 1):
            detector_mhz = input_mhz / input_divisor
            if not _DETECTOR_MHZ[0] <= detector_mhz <= _DETECTOR_MHZ[1]:
                continue
            for feedback_divisor in range(1, _MAX_FEEDBACK + 1):
                output_mhz = detector_mhz * feedback_divisor
                for output_divisor in range(1, _MAX_DIVISOR + 1):
                    if _VCO_MHZ[0] <= output_mhz * output_divisor <= _VCO_MHZ[1]:
                        candidates.append(
                            Ecp5Pll(
                                input_divisor=input_divisor,
                                feedback_divisor=feedback_divisor,
                                output_divisor=output_divisor,
                                output_mhz=output_mhz,
                            )
                        )
        return min(
            candidates,
            key=lambda pll: (
                round(abs(pll.output_mhz - wanted_mhz), 6),
                pll.input_divisor,
                abs(pll.vco_mhz - _VCO_TARGET_MHZ),
            ),
        )

    def pll_lines(self, pll: Pll, oscillator: str) -> list[str]:
        """See the base class; values of the loop filter as Project Trellis' ecppll gives them."""
        assert isinstance(pll, Ecp5Pll)
        return instance(
            "EHXPLLL",
            "pll",
            {
                **{"CLKI": oscillator, "CLKFB": "clk", "CLKOP": "clk", "LOCK": "locked"},
                **dict.fromkeys(("RST", "STDBY", "ENCLKOP", "PLLWAKESYNC"), "1'b0"),
                **dict.fromkeys(("PHASESEL0", "PHASESEL1"), "1'b0"),
                **dict.fromkeys(("PHASEDIR", "PHASESTEP", "PHASELOADREG"), "1'b1"),
            },
            parameters={
                **dict.fromkeys(("PLLRST_ENA", "INTFB_WAKE", "STDBY_ENABLE"), "DISABLED"),
                "DPHASE_SOURCE": "DISABLED",
                "FEEDBK_PATH": "CLKOP",
                **{f"OUTDIVIDER_MUX{output}": f"DIV{output}" for output in "ABCD"},
                "CLKI_DIV": pll.input_divisor,
                "CLKFB_DIV": pll.feedback_divisor,
                "CLKOP_ENABLE": "ENABLED",
                "CLKOP_DIV": pll.output_divisor,
                "CLKOP_CPHASE": pll.output_divisor // 2,
                "CLKOP_FPHASE": 0,
            },
            attributes={
                "ICP_CURRENT": "12",
                "LPF_RESISTOR": "8",
                "MFG_ENABLE_FILTEROPAMP": "1",
                "MFG_GMCREF_SEL": "2",
            },
        )

    def constraints_text(self, board: FpgaBoard) -> str:
        """See the base class; the clock behind the PLL is derived from the oscillator's."""
        lines = [
            "BLOCK RESETPATHS;",
            "BLOCK ASYNCPATHS;",
            f'FREQUENCY PORT "{board.port(CLOCK_ROLE)}" {board.clock_input_mhz:.6f} MHZ;',
        ]
        for port, pin in board.ports.items():
            drive = "" if pin.drive_ma is None else f" DRIVE={pin.drive_ma}"
            lines.append(f'LOCATE COMP "{port}" SITE "{pin.site}";')
            lines.append(f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33 PULLMODE={pin.pull.value}{drive};')
        return "\n".join(lines) + "\n"

    def place_arguments(self, board: FpgaBoard, *, seed: int) -> list[str]:
        """See the base class."""
        return [
            _DEVICES[board.device],
            *("--package", board.package),
            *("--speed", str(board.speed_grade)),
            *("--json", NETLIST_JSON),
            *("--lpf", self.constraints),
            *("--seed", str(seed)),
            *("--textcfg", ROUTED),
            *("--report", REPORT),
            *("--write", ROUTED_JSON),
            *("--sdf", DELAYS),
            "--timing-allow-fail",
            *self.placer,
        ]

    def pack_arguments(self, bitstream: str) -> list[str]:
        """See the base class; compressed, it loads faster."""
        return ["--compress", "--input", ROUTED, "--bit", bitstream]

    def move_registers(self, netlist: Path) -> bool:
        """See the base class."""
        document = json.loads(netlist.read_text(encoding="utf-8"))
        moved = sum([move_registers(module) for module in document["modules"].values()])
        if moved:
            netlist.write_text(json.dumps(document), encoding="utf-8")
        return moved > 0

    def prepare(self, netlist: Path) -> None:
        """Disconnect the ends of carry chains that have no effect, in a flattened netlist.

        nextpnr spends a CCU2C (two COMB) on taking a connected COUT to the fabric, read or not,
        and one on bringing in a CIN, constant or not. So these become "x": a COUT that nothing
        reads, and a constant CIN whose first half neither passes it on (its LUT4 is 0) nor shows
        it (S0 unread).
        """
        document = json.loads(netlist.read_text(encoding="utf-8"))
        for module in document["modules"].values():
            cells = module["cells"].values()
            read = {bit for port in module["ports"].values() for bit in port["bits"]}
            for cell in cells:
                for port, bits in cell["connections"].items():
                    if cell["port_directions"][port] == "input":
                        read.update(bits)
            for cell in cells:
                if cell["type"] == "CCU2C":
                    _release(cell["connections"], int(cell["parameters"]["INIT0"], 2), read)
        netlist.write_text(json.dumps(document), encoding="utf-8")


def _release(pins: dict[str, list[int | str]], first_table: int, read: set[int | str]) -> None:
    if not read.intersection(pins["COUT"]):
        pins["COUT"] = ["x"]
    never_passes = pins["C0"] == pins["D0"] == ["1"] and first_table >> 12 == 0
    if pins["CIN"] == ["0"] and never_passes and not read.intersection(pins["S0"]):
        pins["CIN"] = ["x"]
