"""`bnnedge_core.sv`: the kernels of a network as instances and wires, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnnedge.design import TOP_MODULE
from bnnedge.errors import DesignError
from bnnedge.hardware.kernels import (
    Kernel,
    Parameter,
    ResizeElementsKernel,
    StreamLastKernel,
)
from bnnedge.names import shown


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a stream comes from.

    Attributes:
        kernel: index among the placed kernels; −1: s_axis.
        port: which of its outputs.
    """

    kernel: int
    port: int = 0


S_AXIS = Source(kernel=-1)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A stream kernel in the network.

    Attributes:
        name: unique identifier.
        kernel: what is instantiated.
        inputs: what its inputs take, in the order of its ports.
        node: name of the Dataflow node that it does; None for what only moves data.
        resize: widens or narrows the elements of its output.
    """

    name: str
    kernel: Kernel
    inputs: tuple[Source, ...]
    node: str | None = None
    resize: ResizeElementsKernel | None = None

    @property
    def widths_out(self) -> tuple[int, ...]:
        """Widths of the streams behind the kernel."""
        if self.resize is None:
            return self.kernel.widths_out
        return (self.resize.elements * self.resize.out_bits,)


def sources_of(index: int, placed: Placed) -> tuple[Source, ...]:
    """The streams that the kernel with this index gives."""
    return tuple(Source(kernel=index, port=port) for port in range(len(placed.widths_out)))


def streams_of(network: Sequence[Placed]) -> Mapping[Source, str]:
    """Names of the streams between kernels, in the order of the bits of `stream_valid`."""
    readers: dict[Source, str] = {}
    for placed in network:
        for port, source in zip(placed.kernel.ports_in, placed.inputs, strict=True):
            several = len(placed.inputs) > 1
            readers[source] = f"{placed.name}.{port}" if several else placed.name
    return {
        source: f"{placed.name} to {readers[source]}"
        for index, placed in enumerate(network[:-1])
        for source in sources_of(index, placed)
    }


def core_text(network: Sequence[Placed], last: StreamLastKernel, id_word: int) -> str:
    """The text of `bnnedge_core.sv`.

    The first kernel takes s_axis, the last one gives m_axis. Bit i of `stream_valid` and
    `stream_ready` is stream i of `streams_of`.
    """
    numbers = {source: index for index, source in enumerate(streams_of(network))}
    between = len(numbers)
    lines = [
        "// Generated: the network as kernels between two AXI4-Streams.",
        f"module {TOP_MODULE} (",
        "  input  logic clk_i,",
        "  input  logic rst_ni,",
        f"  input  logic [{network[0].kernel.widths_in[0] - 1}:0] s_axis_tdata,",
        "  input  logic s_axis_tvalid,",
        "  output logic s_axis_tready,",
        f"  output logic [{network[-1].widths_out[0] - 1}:0] m_axis_tdata,",
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
    for source, number in numbers.items():
        width = network[source.kernel].widths_out[source.port]
        lines.append(f"  logic [{width - 1}:0] data_{number};")
    wires = {source: Wires.between(number) for source, number in numbers.items()}
    wires[S_AXIS] = Wires.axis("s_axis")
    wires[Source(kernel=len(network) - 1)] = Wires.axis("m_axis")
    for index, placed in enumerate(network):
        lines += placed_text(placed, index, wires)
    lines += instance_text(
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


@dataclass(frozen=True)
class Wires:
    """Names of the three signals of a stream."""

    valid: str
    ready: str
    data: str

    @classmethod
    def between(cls, number: int) -> "Wires":
        """Of stream `number` between kernels: bits of two vectors, and `data_<number>`."""
        return cls(f"stream_valid[{number}]", f"stream_ready[{number}]", f"data_{number}")

    @classmethod
    def axis(cls, prefix: str) -> "Wires":
        """Of an AXI4-Stream."""
        return cls(f"{prefix}_tvalid", f"{prefix}_tready", f"{prefix}_tdata")


def placed_text(placed: Placed, index: int, wires: Mapping[Source, Wires]) -> list[str]:
    """Lines that instantiate kernel `index` of a network between the wires of its streams."""
    ports = {"clk_i": "clk_i", "rst_ni": "rst_ni"}
    for port, source in zip(placed.kernel.ports_in, placed.inputs, strict=True):
        ports[f"{port}_valid_i"] = wires[source].valid
        ports[f"{port}_ready_o"] = wires[source].ready
        ports[f"{port}_data_i"] = wires[source].data
    for port, source in zip(placed.kernel.ports_out, sources_of(index, placed), strict=True):
        ports[f"{port}_valid_o"] = wires[source].valid
        ports[f"{port}_ready_i"] = wires[source].ready
        ports[f"{port}_data_o"] = wires[source].data
    if placed.resize is None:
        return instance_text(placed.kernel.module, placed.name, placed.kernel.parameters, ports)
    raw, data = f"raw_{index}", ports["out_data_o"]
    return [
        "",
        f"  logic [{placed.kernel.out_bits - 1}:0] {raw};",
        *instance_text(
            placed.kernel.module,
            placed.name,
            placed.kernel.parameters,
            ports | {"out_data_o": raw},
        ),
        *instance_text(
            placed.resize.module,
            f"{placed.name}_resize",
            placed.resize.parameters,
            {"data_i": raw, "data_o": data},
        ),
    ]


def instance_text(
    module: str, name: str, parameters: Mapping[str, Parameter], ports: Mapping[str, str]
) -> list[str]:
    """Lines that instantiate `module` as `i_<name>`."""
    values = {key: sv_string(v) if isinstance(v, str) else str(v) for key, v in parameters.items()}
    return [
        "",
        f"  {module} #(",
        ",\n".join(f"    .{key}({value})" for key, value in values.items()),
        f"  ) i_{name} (",
        ",\n".join(f"    .{key}({value})" for key, value in ports.items()),
        "  );",
    ]


def sv_string(text: str) -> str:
    """A string literal of SystemVerilog (IEEE 1800-2017, 5.9).

    Raises:
        DesignError: it holds a line break or something else that is no text.
    """
    if not text.isprintable():
        raise DesignError(f"wanted a path of printable characters, got {shown(text)}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
