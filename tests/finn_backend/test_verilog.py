"""Reading ports and memory files out of Verilog."""

from pathlib import Path

import pytest

from bnnedge.errors import SimulationError
from bnnedge.finn_backend.verilog import localise, ports_of
from bnnedge.verilated.ports import StreamPort, StreamPorts
from bnnedge.verilog import Stream

TOP = """
// module top (input not_this);
module other (input x, output y);
endmodule
module top #(parameter W = (7+8)/8*8) (
  (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 ap_clk CLK, input CLK" *)
  input ap_clk, input wire ap_rst_n, /* input gone, */
  input in0_V_TVALID, output in0_V_TREADY, input [W*{2{1'b1}}-1:0] in0_V_TDATA,
  output reg m_axis_0_tvalid, input m_axis_0_tready, output wire [W-1 : 0] m_axis_0_tdata,
  input [3:0] config_a, config_b,
  output count
);
endmodule
"""


def test_ports_are_found_by_their_names() -> None:
    ports = ports_of("top", ["module toppled (); endmodule", TOP], clock="ap_clk", reset="ap_rst_n")
    assert ports == StreamPorts(
        inputs=(
            StreamPort(name="in0_V", signals=Stream("in0_V_TVALID", "in0_V_TREADY", "in0_V_TDATA")),
        ),
        outputs=(
            StreamPort(
                name="m_axis_0",
                signals=Stream("m_axis_0_tvalid", "m_axis_0_tready", "m_axis_0_tdata"),
            ),
        ),
        clock="ap_clk",
        reset="ap_rst_n",
        tied=("config_a", "config_b"),
    )


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("missing", "no source file defines the module missing"),
        ("other", r"other: wanted the inputs ap_clk and ap_rst_n, got \{'x': 'input'"),
    ],
)
def test_modules_that_cannot_be_driven_are_named(top: str, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        ports_of(top, [TOP], clock="ap_clk", reset="ap_rst_n")


def test_memory_files_lose_their_folders(tmp_path: Path) -> None:
    """Whatever the build's folder is called, the text is the same; other strings are left alone."""
    texts = []
    for build in ("one", "two"):
        folder = tmp_path / build
        folder.mkdir()
        text = f'.A("./a_"), .B("{folder}/b.mem"), .C("{tmp_path}/c.mem"), .D("/nowhere/d"), "e"'
        localised = localise(text, folder, ())
        assert localised.folders == (folder, tmp_path)
        texts.append(localised.text)
    assert (
        texts[0]
        == texts[1]
        == ('.A("mem0/a_"), .B("mem0/b.mem"), .C("mem1/c.mem"), .D("/nowhere/d"), "e"')
    )
