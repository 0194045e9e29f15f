"""What is passed to the tools, and what is understood of their answers, without running them."""

import json
from pathlib import Path
from typing import Any

import pytest

from bnnedge.boards import find_board
from bnnedge.errors import SynthesisError
from bnnedge.families.base import Cells
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.placed import FpgaBoard
from bnnedge.families.xc7 import Xc7
from bnnedge.families.xcup import Xcup
from bnnedge.families.xilinx import XilinxFamily, ZynqBoard
from bnnedge.synthesis import nextpnr, yosys


def ulx3s(size: str = "85f") -> FpgaBoard:
    board = find_board(f"ulx3s-{size}")
    assert isinstance(board, FpgaBoard)
    return board


def carry_cell(*, c0: int | str, cin: int | str, s0: int, cout: int) -> dict[str, Any]:
    pins = {"C0": c0, "D0": "1", "CIN": cin, "S0": s0, "COUT": cout}
    outputs = ("S0", "COUT")
    return {
        "type": "CCU2C",
        "parameters": {"INIT0": f"{0x0006 if c0 == '1' else 0x96AA:016b}"},
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def test_only_ends_of_carry_chains_without_effect_are_disconnected(tmp_path: Path) -> None:
    netlist = tmp_path / "netlist.json"
    cells = {
        "start": carry_cell(c0="1", cin="0", s0=2, cout=3),
        "end": carry_cell(c0="0", cin=3, s0=4, cout=5),
        "sum": carry_cell(c0="0", cin="0", s0=6, cout=7),
        "start_shown": carry_cell(c0="1", cin="0", s0=8, cout=9),
    }
    ports = {"y": {"bits": [4, 6, 7, 8]}}
    netlist.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}}))
    Ecp5().prepare(netlist)
    after = json.loads(netlist.read_text())["modules"]["top"]["cells"]
    ends = {
        name: (*cell["connections"]["CIN"], *cell["connections"]["COUT"])
        for name, cell in after.items()
    }
    assert ends == {
        "start": ("x", 3),
        "end": (3, "x"),
        "sum": ("0", 7),
        "start_shown": ("0", "x"),
    }


def test_ecp5_script() -> None:
    assert Ecp5().script(["sv/a.sv", "top.sv"], "top") == (
        "read_verilog -sv -defer sv/a.sv\n"
        "read_verilog -sv -defer top.sv\n"
        "read_verilog -sv -defer -overwrite ecp5/adder_row.sv\n"
        "read_verilog -sv -defer -overwrite ecp5/adders.sv\n"
        "read_verilog -sv -defer -overwrite ecp5/luts.sv\n"
        "read_verilog -sv -defer -overwrite ecp5/popcount.sv\n"
        "hierarchy -top top\n"
        "tee -q -o synth_ecp5.log synth_ecp5 -nowidelut -top top -run begin:map_ffram\n"
        "tee -q -a synth_ecp5.log select -set roms t:$mem_v2 r:WR_PORTS=0 %i r:SIZE>16 %i\n"
        "tee -q -a synth_ecp5.log select -set others c:* @roms %d\n"
        "tee -q -a synth_ecp5.log memory_map @roms\n"
        "tee -q -a synth_ecp5.log opt_expr -mux_undef -undriven -fine c:* @others %d\n"
        "tee -q -a synth_ecp5.log opt_merge c:* @others %d\n"
        "tee -q -a synth_ecp5.log techmap c:* @others %d\n"
        "tee -q -a synth_ecp5.log opt_expr c:* @others %d\n"
        "tee -q -a synth_ecp5.log opt_merge c:* @others %d\n"
        "tee -q -a synth_ecp5.log abc -lut 4:7 c:* @others %d\n"
        "tee -q -a synth_ecp5.log techmap -D NO_FF -map +/lattice/cells_map_trellis.v"
        " c:* @others %d\n"
        "tee -q -a synth_ecp5.log clean\n"
        "tee -q -a synth_ecp5.log synth_ecp5 -nowidelut -run map_ffram:\n"
        "delete */t:$scopeinfo\n"
        "tee -q -o stat.json stat -json\n"
        "write_json netlist.json\n"
        "write_verilog -noattr netlist.v\n"
    )


@pytest.mark.parametrize(("family", "name"), [(Xc7(), "xc7"), (Xcup(), "xcup")])
def test_xilinx_script(family: XilinxFamily, name: str) -> None:
    assert family.script(["sv/a.sv", "sv/bnnedge_core.sv"]) == (
        "read_verilog -sv -defer sv/a.sv\n"
        "read_verilog -sv -defer sv/bnnedge_core.sv\n"
        "hierarchy -top bnnedge_core\n"
        "tee -q -o synth_xilinx.log"
        f" synth_xilinx -family {name} -flatten -noiopad -top bnnedge_core\n"
        "delete */t:$scopeinfo\n"
        "tee -q -o stat.json stat -json\n"
    )


def test_nextpnr_arguments() -> None:
    assert " ".join(Ecp5().place_arguments(ulx3s("25f"), seed=7)) == (
        "--25k --package CABGA381 --speed 6 --json netlist.json --lpf pins.lpf --seed 7"
        " --textcfg routed.config --report nextpnr.json --write routed.json --sdf routed.sdf"
        " --timing-allow-fail --placer-heap-timingweight 50"
    )


def test_ecppack_arguments() -> None:
    assert " ".join(Ecp5().pack_arguments("tfc.bit")) == (
        "--compress --input routed.config --bit tfc.bit"
    )


def test_statistics_are_counted_by_cell_type() -> None:
    text = json.dumps({"design": {"num_cells_by_type": {"LUT4": 5, "TRELLIS_FF": 3}}})
    assert yosys.read_statistics(text) == {"LUT4": 5, "TRELLIS_FF": 3}


def test_cells_are_assigned_to_instances_by_name(tmp_path: Path) -> None:
    cells = {
        "i_device.i_core.i_0_fc.valid_q_TRELLIS_FF_Q": "TRELLIS_FF",
        "i_device.i_core.i_0_fc.gen_pe[0].x_LUT4_Z": "LUT4",
        "i_device.i_core.i_0_fc.rom.0.0": "DP16KD",
        "i_device.i_core.i_out_fifo.words.0": "TRELLIS_DPR16X4",
        "i_device.i_core.stream_valid_LUT4_Z": "LUT4",
        "i_device.i_uart_rx.count_q_CCU2C_S0": "CCU2C",
        "led_LUT4_Z": "LUT4",
    }
    netlist = {
        "modules": {
            "LUT4": {"attributes": {"blackbox": "1"}, "cells": {}},
            "ulx3s": {
                "attributes": {"top": "00000000000000000000000000000001"},
                "cells": {name: {"type": kind} for name, kind in cells.items()},
            },
        }
    }
    (tmp_path / "netlist.json").write_text(json.dumps(netlist))
    assert yosys.cells_by_instance(tmp_path / "netlist.json", Ecp5()) == {
        "0_fc": Cells(lut4=1, carry=0, lut_ram=0, ff=1, bram=1),
        "core": Cells(lut4=1, carry=0, lut_ram=0, ff=0, bram=0),
        "device": Cells(lut4=1, carry=1, lut_ram=0, ff=0, bram=0),
        "out_fifo": Cells(lut4=0, carry=0, lut_ram=1, ff=0, bram=0),
    }


def test_report_gives_usage_and_the_networks_clock() -> None:
    report = {
        "fmax": {"clk": {"achieved": 91.234, "constraint": 80.0}},
        "utilization": {"TRELLIS_COMB": {"used": 500, "available": 24288}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": []},
            {
                "from": "posedge clk",
                "to": "posedge clk",
                "path": [
                    {"type": "clk-to-q", "delay": 5.829, "to": {"cell": "rom"}},
                    {"type": "setup", "delay": 0.0, "to": {"cell": "q"}},
                ],
            },
        ],
    }
    routed = nextpnr.read_report(report, clock_mhz=80.0, holds={})
    assert routed.usage["TRELLIS_COMB"].percent == 2.1
    assert routed.timing == nextpnr.Timing(
        requested_mhz=80.0,
        reached_mhz=91.23,
        critical_path=(
            {"type": "clk-to-q", "ns": 5.83, "to": "rom"},
            {"type": "setup", "ns": 0.0, "to": "q"},
        ),
    )


def test_design_larger_than_the_fpga_is_named() -> None:
    log = (
        "Info: Device utilisation:\n"
        "Info: \t          TRELLIS_IO:       7/    197     3%\n"
        "Info: \t          TRELLIS_FF:   30000/  24288   123%\n"
    )
    with pytest.raises(SynthesisError) as caught:
        nextpnr.raise_cause(log, ulx3s("25f"))
    assert str(caught.value) == (
        "ulx3s-25f: the design needs 30000 TRELLIS_FF, the LFE5U-25F has 24288"
        " — fold more (a lower target_fps) or choose a larger board"
    )


@pytest.mark.parametrize(
    "line",
    [
        "IO pin 'clk_in$tr_io' constrained to pin 'Z99', which does not exist for package 'BGA'.",
        "package does not have a pin named 'Z99' (on line 1)",
        "Unsupported package 'CABGA999' for 'LFE5U-25F'.",
    ],
)
def test_pin_that_the_fpga_has_not_is_named(line: str) -> None:
    with pytest.raises(SynthesisError) as caught:
        nextpnr.raise_cause(f"Info: reading\nERROR: {line}\nERROR: Packing failed.\n", ulx3s())
    assert str(caught.value) == (
        f"ulx3s-85f: {line.rstrip('.')} — correct package and pins in the board's file"
    )


def test_unrouted_design_is_named() -> None:
    log = "Info: Device utilisation:\nInfo: Routing..\nERROR: Failed to route arc\n"
    with pytest.raises(SynthesisError, match="fits by count but was not routed"):
        nextpnr.raise_cause(log, ulx3s())


def test_xilinx_cells_are_weighed() -> None:
    kinds = {"LUT6": 10, "LUT2": 5, "RAM32M": 2, "SRL16E": 1, "FDRE": 7, "FDSE": 1}
    kinds |= {"CARRY4": 3, "RAMB36E1": 1, "RAMB18E1": 3, "BUFG": 1}
    expected = {"lut": 24, "ff": 8, "carry4": 3, "carry8": 2, "bram36": 3, "dsp": 0}
    assert Xc7().count(kinds) == expected
    kinds = {"LUT6": 10, "INV": 1, "RAM32M16": 2, "RAM64M8": 1, "RAMB36E2": 2, "RAMB18E2": 1}
    kinds |= {"DSP48E2": 4}
    expected = {"lut": 35, "ff": 0, "carry4": 0, "carry8": 0, "bram36": 3, "dsp": 4}
    assert Xc7().count(kinds) == expected


def test_estimate_fits_if_it_leaves_room_for_the_dma() -> None:
    board = find_board("pynq-z1")
    assert isinstance(board, ZynqBoard)
    most = {"lut": 45_200, "ff": 96_400, "carry4": 13_300, "bram36": 132, "dsp": 220}
    assert board.family.fits(board, most)
    for kind in most:
        assert not board.family.fits(board, most | {kind: most[kind] + 1})
