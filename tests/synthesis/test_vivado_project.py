"""The project for Vivado, run by Tcl against a model of Vivado, and mistakes seeded into it."""

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.design import Design
from bnnedge.errors import SynthesisError, ToolFailedError
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.links.axi import axi_parameters
from bnnedge.synthesis.vivado import write_project
from tests.synthesis.projects import ZYNQ, change, emit_mlp, project, zynq

tkinter = pytest.importorskip("tkinter", reason="needs Python with Tcl (apt install python3-tk)")
from tests.synthesis.vivado_ips import VivadoError  # noqa: E402
from tests.synthesis.vivado_model import VivadoModel  # noqa: E402


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emit_mlp(tmp_path_factory.mktemp("rtl"))


@pytest.mark.parametrize("board", ZYNQ, ids=lambda board: board.name)
def test_every_boards_project_ends_in_a_bitstream(
    rtl: Path, board: ZynqBoard, tmp_path: Path
) -> None:
    folder = project(rtl, board, tmp_path / "somewhere else")
    model = VivadoModel()
    model.run(folder / "build.tcl")
    output = {path.name for path in (folder / "output").iterdir()}
    assert output == {"random.bit", "random.hwh", "timing.rpt", "utilization.rpt"}
    assert model.printed[-1] == "bnnedge: done: output/random.bit and output/random.hwh"

    design = Design.load(rtl)
    control = 0x40000000 if board.family.ps.value == "ps7" else 0xA0000000
    assert model.assigned["ps/Data", "axi_dma_0/S_AXI_LITE/Reg"] == (control, 1 << 16)
    assert model.assigned["ps/Data", "bnnedge_0/s_axi/reg0"] == (control + (1 << 16), 1 << 16)
    memory = {space for space, segment in model.assigned if "DDR_LOW" in segment}
    assert memory == {"axi_dma_0/Data_MM2S", "axi_dma_0/Data_S2MM"}
    assert not model.cells["bnnedge_0"].values
    own = model.cells["bnnedge_0"].interfaces
    parameters = axi_parameters(design)
    assert own["s_axis"].bits == parameters["IN_WIDTH"]
    assert own["m_axis"].bits == parameters["OUT_WIDTH"]
    assert model.cells["axi_dma_0"].values["c_include_sg"] == "0"
    assert model.cells["reset_0"].values["C_EXT_RESET_HIGH"] == "0"
    assert not model.messages
    sizes = {bytes_ for (_, segment), (_, bytes_) in model.assigned.items() if "DDR" in segment}
    assert sizes == {board.memory_mib << 20}
    memories = len(design.memories)
    assert f"bnnedge: memory files: {memories}" in model.printed
    assert f"bnnedge: memory files read: {memories}" in model.printed


@pytest.mark.parametrize(("in_bits", "out_bits"), [(8, 1024), (1024, 8), (256, 64)])
def test_dma_takes_every_width_of_stream(
    rtl: Path, in_bits: int, out_bits: int, tmp_path: Path
) -> None:
    design = Design.load(rtl)
    wide = dataclasses.replace(design, input_width_bits=in_bits, output_width_bits=out_bits)
    folder = tmp_path / "vivado"
    write_project(wide, zynq("pynq-z2"), rtl, clock_hz=100_000_000, folder=folder)
    model = VivadoModel()
    model.run(folder / "build.tcl")
    values = model.cells["axi_dma_0"].values
    assert values["c_m_axis_mm2s_tdata_width"] == str(in_bits)
    assert values["c_m_axi_s2mm_data_width"] == str(max(64, out_bits))


def test_project_holds_no_absolute_path_and_every_file_of_the_design(
    rtl: Path, tmp_path: Path
) -> None:
    folder = project(rtl, zynq("kv260"), tmp_path / "vivado")
    design = Design.load(rtl)
    names = {path.name for path in (folder / "src").rglob("*")}
    assert {Path(name).name for name in (*design.sources, *design.memories)} < names
    assert {"bnnedge_axi.v", "axi_registers.sv"} < names
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert str(tmp_path) not in path.read_text()


def test_top_has_no_parameter_and_no_source_a_style_of_yosys(rtl: Path, tmp_path: Path) -> None:
    sources = project(rtl, zynq("kv260"), tmp_path / "vivado") / "src"
    top = (sources / "bnnedge_axi.v").read_text()
    assert not re.search(r"\bparameter\b", top)
    for name in axi_parameters(Design.load(rtl)):
        assert not re.search(rf"\b{name}\b", top)
    styles = {
        style
        for path in sources.glob("*.sv")
        for style in re.findall(r'(?:rom|ram)_style = "(\w+)"', path.read_text())
    }
    assert styles == {"block", "distributed"}


def test_sources_are_complete_by_themselves(rtl: Path, tmp_path: Path) -> None:
    """Yosys elaborates the network with its AXI ports from `src/` alone, weights included."""
    sources = project(rtl, zynq("pynq-z1"), tmp_path / "vivado") / "src"
    reads = [f"read_verilog -sv -defer {path.name}" for path in sorted(sources.glob("*.*v"))]
    top = "hierarchy -check -top bnnedge_axi"
    script = "\n".join([*reads, top, "proc", "flatten", "check -assert", ""])
    (sources / "run.ys").write_text(script)
    arguments = [tools.find("yosys"), "-q", "-s", "run.ys"]
    tools.run(arguments, cwd=sources, log=tmp_path / "log", timeout_s=120)
    next(sources.glob("mem/*_weights.mem")).unlink()
    with pytest.raises(ToolFailedError, match="_weights.mem"):
        tools.run(arguments, cwd=sources, log=tmp_path / "log", timeout_s=120)


def test_names_of_networks_are_quoted(rtl: Path, tmp_path: Path) -> None:
    """No such name passes a door; should one ever, it is a word of Tcl."""
    design = dataclasses.replace(Design.load(rtl), name="a [b] $c}")
    folder = tmp_path / "vivado"
    write_project(design, zynq("pynq-z1"), rtl, clock_hz=100_000_000, folder=folder)
    VivadoModel().run(folder / "build.tcl")
    assert (folder / "output" / "a [b] $c}.bit").is_file()


MISTAKES = {
    "part": ("settings.tcl", "xc7z020clg400-1", "xc7z020clg400-9", "no such part"),
    "ip": ("block_design.tcl", "axi_dma:7.1", "axi_dma:8.1", "no IP xilinx.com:ip:axi_dma:8.1"),
    "ps of another family": (
        "ps.tcl",
        "processing_system7:5.5",
        "zynq_ultra_ps_e:*",
        "is not for xc7z020clg400-1",
    ),
    "property": (
        "ps.tcl",
        "PCW_USE_S_AXI_HP0 1",
        "PCW_USE_HP0 1",
        "[BD 41-1276] Cannot set the parameter PCW_USE_HP0 on /ps. Parameter does not exist",
    ),
    "value": (
        "block_design.tcl",
        "length_width 26",
        "length_width 27",
        "Value '27' is out of the range for parameter 'c_sg_length_width'",
    ),
    "parameter": (
        "block_design.tcl",
        "bnnedge_axi:1.0 bnnedge_0\n",
        "bnnedge_axi:1.0 bnnedge_0\nconfigure bnnedge_0 {IN_BEATS 2}\n",
        "[BD 41-1276] Cannot set the parameter IN_BEATS on /bnnedge_0. Parameter does not exist",
    ),
    "command": ("block_design.tcl", "save_bd_design", "save_bd", 'invalid command name "save_bd"'),
    "pin": ("block_design.tcl", "axi_dma_0/axi_resetn", "axi_dma_0/resetn", "no pin axi_dma_0/r"),
    "interface": (
        "block_design.tcl",
        "bnnedge_0/m_axis ",
        "bnnedge_0/out ",
        "no interface bnnedge_0/out",
    ),
    "clock left out": (
        "block_design.tcl",
        " axi_memory/aclk",
        "",
        "pin axi_memory/aclk is not connected",
    ),
    "clock of the PS left out": (
        "ps.tcl",
        "{ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK}",
        "ps/M_AXI_GP0_ACLK",
        "pin ps/S_AXI_HP0_ACLK is not connected",
    ),
    "reset left out": (
        "block_design.tcl",
        "{axi_dma_0/axi_resetn bnnedge_0/aresetn}",
        "axi_dma_0/axi_resetn",
        "pin bnnedge_0/aresetn is not connected",
    ),
    "reset of the wrong polarity": (
        "block_design.tcl",
        "peripheral_aresetn",
        "peripheral_reset",
        "is a reset, reset_0/peripheral_reset a reset_high",
    ),
    "reset of the reset": (
        "block_design.tcl",
        "connect_bd_net [get_bd_pins $ps_reset] [get_bd_pins reset_0/ext_reset_in]\n",
        "",
        "pin reset_0/ext_reset_in is not connected",
    ),
    "clock for a reset": (
        "ps.tcl",
        "set ps_reset ps/FCLK_RESET0_N",
        "set ps_reset ps/FCLK_CLK0",
        "reset_0/ext_reset_in is a reset_any, ps/FCLK_CLK0 a clock",
    ),
    "stream left open": (
        "block_design.tcl",
        "    bnnedge_0/m_axis      axi_dma_0/S_AXIS_S2MM \\\n",
        "",
        "interface bnnedge_0/m_axis is not connected",
    ),
    "two masters on a slave": (
        "block_design.tcl",
        "axi_memory/S01_AXI",
        "axi_memory/S00_AXI",
        "axi_memory/S00_AXI is connected to",
    ),
    "stream of another width": (
        "block_design.tcl",
        "tdata_width $in_bits",
        "tdata_width 8",
        "bnnedge_0/s_axis has 32 bits, axi_dma_0/M_AXIS_MM2S 8",
    ),
    "stream wider than its memory": (
        "block_design.tcl",
        "[expr {max($ps_slave_bits, $out_bits)}]",
        "32",
        None,
    ),
    "width left to Vivado": (
        "block_design.tcl",
        "tdata_width.VALUE_SRC USER",
        "tdata_width.VALUE_SRC PROPAGATED",
        "[BD 41-737] Cannot set the parameter c_s_axis_s2mm_tdata_width on /axi_dma_0. It is read",
    ),
    "scatter-gather": ("block_design.tcl", "include_sg 0", "include_sg 1", "m_axi_sg_aclk is not"),
    "memory unassigned": (
        "block_design.tcl",
        "\nassign_bd_address\n",
        "\n",
        "HP0_DDR_LOWOCM> is not assigned into address space </axi_dma_0/Data_MM2S>",
    ),
    "registers unassigned": (
        "block_design.tcl",
        " bnnedge_0/s_axi/* 0x10000",
        "",
        "bnnedge_0/s_axi/reg0: its address in ps/Data would be chance",
    ),
    "registers overlap": ("block_design.tcl", "/* 0x10000", "/* 0x0", "overlap in ps/Data"),
    "registers out of reach": (
        "ps.tcl",
        "control_base 0x40000000",
        "control_base 0xA0000000",
        "0xa0000000 is outside of ps/Data",
    ),
    "DDR pins left open": (
        "ps.tcl",
        "connect_bd_intf_net [get_bd_intf_ports DDR] [get_bd_intf_pins ps/DDR]",
        "",
        "interface ps/DDR is not connected",
    ),
    "design not validated": (
        "block_design.tcl",
        "validate_bd_design",
        "",
        "not validated and saved",
    ),
    "interface without a clock": ("package_ip.tcl", "s_axi s_axis m", "s_axi m", "s_axis has no c"),
    "top in SystemVerilog": (
        "package_ip.tcl",
        "top bnnedge_axi ",
        "top bnnedge_core ",
        "must be Verilog",
    ),
    "wrapper not the top": (
        "build.tcl",
        "top bnnedge_wrapper",
        "top wrapper",
        "no module 'wrapper'",
    ),
    "memory file": (
        "src/bnnedge_core.sv",
        '_weights.mem"',
        '_weight.mem"',
        "bnnedge_core.sv: no memory file mem/",
    ),
    "no TLAST": ("src/bnnedge_axi.v", "m_axis_tlast", "m_axis_tlost", "m_axis has no signal tlost"),
    "no TKEEP": (
        "src/bnnedge_axi.v",
        "  output wire [32/8-1:0] m_axis_tkeep,\n",
        "",
        "lacks tkeep",
    ),
    "TKEEP too narrow": (
        "src/bnnedge_axi.v",
        "[32/8-1:0] m_axis_tkeep",
        "[32/16-1:0] m_axis_tkeep",
        "TKEEP does not fit TDATA",
    ),
    "no AWPROT": (
        "src/bnnedge_axi.v",
        "  input  wire [2:0]             s_axi_awprot,\n",
        "  input  wire [2:0]             awprot,\n",
        "s_axi has no awprot",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistake_is_caught(kind: str, rtl: Path, tmp_path: Path) -> None:
    name, old, new, message = MISTAKES[kind]
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    change(folder, name, old, new)
    if kind == "stream wider than its memory":
        settings = (folder / "settings.tcl").read_text()
        (folder / "settings.tcl").write_text(settings.replace("out_bits 32", "out_bits 64"))
        message = "s2mm stream of 64 bits, memory of 32"
    with pytest.raises(VivadoError, match=re.escape(message)):
        VivadoModel().run(folder / "build.tcl")
    assert not list(folder.glob("output/*.bit"))


def test_missing_source_is_caught(rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    next((folder / "src" / "mem").glob("*_weights.mem")).unlink()
    with pytest.raises(VivadoError, match="no memory file"):
        VivadoModel().run(folder / "build.tcl")


@pytest.mark.parametrize("version", ["2019.2", "2020.1.1"])
def test_old_vivado_is_refused(version: str, rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    with pytest.raises(VivadoError, match=f"wanted Vivado 2020.2 or later, got {version[:6]}"):
        VivadoModel(version=version).run(folder / "build.tcl")


@pytest.mark.parametrize("version", ["2020.2", "2022.2_AR00000", "2024.1.2"])
def test_newer_vivado_is_taken(version: str, rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    VivadoModel(version=version).run(folder / "build.tcl")


def test_missed_timing_leaves_reports_and_no_bitstream(rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    with pytest.raises(VivadoError, match="timing is not met at 100.000000 MHz: WNS is -0.1 ns"):
        VivadoModel(wns="-0.1").run(folder / "build.tcl")
    assert {path.name for path in (folder / "output").iterdir()} == {
        "timing.rpt",
        "utilization.rpt",
    }


@pytest.mark.parametrize(("run", "step"), [("synth_1", "synth"), ("impl_1", "route")])
def test_run_that_stops_is_an_error(run: str, step: str, rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    with pytest.raises(VivadoError, match=f"{run} stopped: {step}_design ERROR"):
        VivadoModel(stops=run).run(folder / "build.tcl")


def test_project_is_built_again_over_an_old_one(rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    for _ in range(2):
        VivadoModel().run(folder / "build.tcl")


@pytest.mark.parametrize(
    ("board", "wanted_mhz", "clock_hz"),
    [
        ("pynq-z1", None, 100_000_000),
        ("pynq-z1", 150, 142_857_143),
        ("pynq-z1", 123.4, 125_000_000),
        ("pynq-z2", 250, 250_000_000),
        ("zcu104", 333, 300_000_000),
        ("kv260", 100, 100_000_000),
        ("ultra96v2", 190, 187_500_000),
        ("aup-zu3", 10, 10_000_000),
    ],
)
def test_clock_is_the_nearest_that_divides(
    board: str, wanted_mhz: float | None, clock_hz: int
) -> None:
    assert zynq(board).family.clock_hz(zynq(board), wanted_mhz) == clock_hz


@pytest.mark.parametrize(("board", "wanted_mhz"), [("pynq-z1", 251), ("kv260", 9.9)])
def test_clock_out_of_range_is_refused(board: str, wanted_mhz: float) -> None:
    with pytest.raises(SynthesisError, match=f"MHz for {board}, got {wanted_mhz:g}"):
        zynq(board).family.clock_hz(zynq(board), wanted_mhz)


def test_every_mistake_has_its_own_message() -> None:
    messages = [message for *_, message in MISTAKES.values() if message]
    for one, other in itertools.combinations(messages, 2):
        assert one not in other and other not in one
