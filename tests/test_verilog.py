"""The writer of Verilog: what it writes, and what it refuses."""

from pathlib import Path

import pytest

from bnnedge.errors import DesignError
from bnnedge.verilated import verilator
from bnnedge.verilog import Direction, Port, Stream, instance, literal, module_text


def test_a_module_with_a_stream_an_instance_and_attributes(tmp_path: Path) -> None:
    axis = Stream.axis("s_axis")
    inner = [
        *Stream.port("in", Direction.INPUT).ports(Direction.INPUT, 8),
        Port(direction=Direction.OUTPUT, name="sum_o", width_bits=1),
    ]
    body = ["  assign in_ready_o = in_valid_i;", "  assign sum_o = ^in_data_i ^ Seed[0];"]
    leaf = module_text("leaf", inner, body, comment="A leaf.", parameters={"Seed": 7})
    connections = Stream.port("in", Direction.INPUT).to(axis) | {"sum_o": "led"}
    led = Port(
        direction=Direction.OUTPUT,
        name="led",
        width_bits=1,
        attributes={"LOC": 'a "pin"', "x": "1"},
    )
    top = module_text(
        "top",
        [*axis.ports(Direction.INPUT, 8), led],
        instance("leaf", "leaf", connections, parameters={"Seed": 3}, attributes={"keep": "1"}),
        comment="A top.",
        net="wire",
    )
    assert leaf.startswith(
        "// A leaf.\n"
        "module leaf #(\n"
        "  parameter Seed = 7\n"
        ") (\n"
        "  input  logic [7:0] in_data_i,\n"
        "  input  logic in_valid_i,\n"
        "  output logic in_ready_o,\n"
        "  output logic [0:0] sum_o\n"
        ");\n"
    )
    assert top.endswith(
        "  output wire s_axis_tready,\n"
        '  (* LOC = "a \\"pin\\"" *)\n'
        '  (* x = "1" *)\n'
        "  output wire [0:0] led\n"
        ");\n"
        "\n"
        '  (* keep = "1" *)\n'
        "  leaf #(\n"
        "    .Seed(3)\n"
        "  ) i_leaf (\n"
        "    .in_valid_i(s_axis_tvalid),\n"
        "    .in_ready_o(s_axis_tready),\n"
        "    .in_data_i(s_axis_tdata),\n"
        "    .sum_o(led)\n"
        "  );\n"
        "endmodule\n"
    )
    for name, text in (("leaf", leaf), ("top", top)):
        (tmp_path / f"{name}.sv").write_text(text)
    verilator.lint([tmp_path / "leaf.sv", tmp_path / "top.sv"], top="top")


def test_an_instance_without_parameters_has_no_list_of_them() -> None:
    assert instance("cell", "a", {"x": "y"}) == ["", "  cell i_a (", "    .x(y)", "  );"]


def test_literals_are_escaped_and_only_text() -> None:
    assert literal('a\\"b') == '"a\\\\\\"b"'
    assert literal(-3) == "-3"
    with pytest.raises(DesignError, match="printable characters, got 'a\\\\nb'"):
        literal("a\nb")
