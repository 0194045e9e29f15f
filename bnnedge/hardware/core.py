"""`bnnedge_core.sv`: the chain of kernels as instances and wires, nothing else."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnnedge.design import TOP_MODULE
from bnnedge.hardware.kernels import (
    Kernel,
    Parameter,
    ResizeElementsKernel,
    StreamLastKernel,
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A stream kernel in the chain.

    Attributes:
        name: unique identifier.
        kernel: what is instantiated.
        node: name of the Dataflow node that it does; None for what only moves data.
        resize: widens or narrows the elements of its output.
    """

    name: str
    kernel: Kernel
    node: str | None = None
    resize: ResizeElementsKernel | None = None

    @property
    def out_bits(self) -> int:
        """Width of the stream behind the kernel."""
        if self.resize is None:
            return self.kernel.out_bits
        return self.resize.elements * self.resize.out_bits


def identifier(name: str) -> str:
    """A SystemVerilog identifier fragment for any node name."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def stream_names(chain: Sequence[Placed]) -> tuple[str, ...]:
    """Names of the streams between the kernels of `chain`."""
    return tuple(f"{a.name} to {b.name}" for a, b in itertools.pairwise(chain))


def core_text(chain: Sequence[Placed], last: StreamLastKernel, id_word: int) -> str:
    """The text of `bnnedge_core.sv`.

    Bit i of `stream_valid` and `stream_ready` is the stream between kernels i and i + 1.
    """
    between = len(chain) - 1
    lines = [
        "// Generated: the network as a chain of kernels between two AXI4-Streams.",
        f"module {TOP_MODULE} (",
        "  input  logic clk_i,",
        "  input  logic rst_ni,",
        f"  input  logic [{chain[0].kernel.in_bits - 1}:0] s_axis_tdata,",
        "  input  logic s_axis_tvalid,",
        "  output logic s_axis_tready,",
        f"  output logic [{chain[-1].out_bits - 1}:0] m_axis_tdata,",
        "  output logic m_axis_tvalid,",
        "  input  logic m_axis_tready,",
        "  output logic m_axis_tlast,",
        "  output logic [31:0] id_o",
        ");",
        f"  assign id_o = 32'h{id_word:08x};",
        "",
        "  // The streams between the kernels, for whoever watches a simulation.",
        f"  logic [{between - 1}:0] stream_valid /* verilator public_flat_rd */;",
        f"  logic [{between - 1}:0] stream_ready /* verilator public_flat_rd */;",
    ]
    for index, placed in enumerate(chain[:-1]):
        lines.append(f"  logic [{placed.out_bits - 1}:0] data_{index};")
    for index, placed in enumerate(chain):
        lines += _placed(placed, index, end=index == between)
    lines += _instance(
        last.module,
        "last",
        last.parameters,
        {
            "clk_i": "clk_i",
            "rst_ni": "rst_ni",
            "valid_i": "m_axis_tvalid",
            "ready_i": "m_axis_tready",
            "last_o": "m_axis_tlast",
        },
    )
    return "\n".join([*lines, "endmodule", ""])


def _placed(placed: Placed, index: int, *, end: bool) -> list[str]:
    before = index - 1
    data = "m_axis_tdata" if end else f"data_{index}"
    raw = data if placed.resize is None else f"raw_{index}"
    lines = []
    if placed.resize is not None:
        lines += ["", f"  logic [{placed.kernel.out_bits - 1}:0] {raw};"]
    lines += _instance(
        placed.kernel.module,
        placed.name,
        placed.kernel.parameters,
        {
            "clk_i": "clk_i",
            "rst_ni": "rst_ni",
            "in_valid_i": f"stream_valid[{before}]" if index else "s_axis_tvalid",
            "in_ready_o": f"stream_ready[{before}]" if index else "s_axis_tready",
            "in_data_i": f"data_{before}" if index else "s_axis_tdata",
            "out_valid_o": "m_axis_tvalid" if end else f"stream_valid[{index}]",
            "out_ready_i": "m_axis_tready" if end else f"stream_ready[{index}]",
            "out_data_o": raw,
        },
    )
    if placed.resize is not None:
        resize = placed.resize
        ports = {"data_i": raw, "data_o": data}
        lines += _instance(resize.module, f"{placed.name}_resize", resize.parameters, ports)
    return lines


def _instance(
    module: str, name: str, parameters: Mapping[str, Parameter], ports: Mapping[str, str]
) -> list[str]:
    values = {key: f'"{v}"' if isinstance(v, str) else str(v) for key, v in parameters.items()}
    return [
        "",
        f"  {module} #(",
        ",\n".join(f"    .{key}({value})" for key, value in values.items()),
        f"  ) i_{name} (",
        ",\n".join(f"    .{key}({value})" for key, value in ports.items()),
        "  );",
    ]
