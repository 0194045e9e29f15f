"""`bnnedge_core.sv`: the kernels of a network as instances and wires, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnnedge.design import TOP_MODULE
from bnnedge.hardware.kernels import (
    Kernel,
    Parameter,
    ResizeElementsKernel,
    StreamLastKernel,
    UnrolledKernel,
)
from bnnedge.verilog import Direction, Port, Stream, instance, module_text, vector


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
        back: stream whose words are counted by its port `back_i` as they leave.
        rigid: what takes its output is always ready.
    """

    name: str
    kernel: Kernel
    inputs: tuple[Source, ...]
    node: str | None = None
    resize: ResizeElementsKernel | None = None
    back: Source | None = None
    rigid: bool = False

    @property
    def module(self) -> str:
        """Its module: the kernel's, or one of its own, because it holds constants."""
        own = isinstance(self.kernel, UnrolledKernel)
        return f"{self.kernel.module}_{self.name}" if own else self.kernel.module

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of its module; one of its own has none."""
        return {} if isinstance(self.kernel, UnrolledKernel) else self.kernel.parameters

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
    first, end = network[0].kernel.widths_in[0], network[-1].widths_out[0]
    s_axis, m_axis = Stream.axis("s_axis"), Stream.axis("m_axis")
    ports = [
        Port(direction=Direction.INPUT, name="clk_i"),
        Port(direction=Direction.INPUT, name="rst_ni"),
        *s_axis.ports(Direction.INPUT, first),
        *m_axis.ports(Direction.OUTPUT, end),
        Port(direction=Direction.OUTPUT, name="m_axis_tlast"),
        Port(direction=Direction.OUTPUT, name="id_o", width_bits=32),
    ]
    between = vector(len(numbers))
    lines = [
        f"  assign id_o = 32'h{id_word:08x};",
        "",
        "  // The streams between the kernels, for whoever watches a simulation.",
        f"  logic {between} stream_valid /* verilator public_flat_rd */;",
        f"  logic {between} stream_ready /* verilator public_flat_rd */;",
    ]
    for source, number in numbers.items():
        width = network[source.kernel].widths_out[source.port]
        lines.append(f"  logic {vector(width)} data_{number};")
    wires = {source: stream_between(number) for source, number in numbers.items()}
    wires[S_AXIS] = s_axis
    wires[Source(kernel=len(network) - 1)] = m_axis
    for index, placed in enumerate(network):
        lines += placed_text(placed, index, wires)
    lines += instance(
        last.module,
        "last",
        {
            "clk_i": "clk_i",
            "rst_ni": "rst_ni",
            "valid_i": m_axis.valid,
            "ready_i": m_axis.ready,
            "last_o": "m_axis_tlast",
        },
        parameters=last.parameters,
    )
    return module_text(
        TOP_MODULE,
        ports,
        lines,
        comment="Generated: the network as kernels between two AXI4-Streams.",
    )


def stream_between(number: int) -> Stream:
    """Stream `number` between kernels: bits of two vectors, and `data_<number>`."""
    return Stream(f"stream_valid[{number}]", f"stream_ready[{number}]", f"data_{number}")


def placed_text(placed: Placed, index: int, wires: Mapping[Source, Stream]) -> list[str]:
    """Lines that instantiate kernel `index` of a network between the wires of its streams."""
    ports = {"clk_i": "clk_i", "rst_ni": "rst_ni"}
    for port, source in zip(placed.kernel.ports_in, placed.inputs, strict=True):
        ports |= Stream.port(port, Direction.INPUT).to(wires[source])
    for port, source in zip(placed.kernel.ports_out, sources_of(index, placed), strict=True):
        ports |= Stream.port(port, Direction.OUTPUT).to(wires[source])
    if placed.rigid:
        ports["out_ready_i"] = "1'b1"
    if placed.back is not None:
        ports["back_i"] = f"{wires[placed.back].valid} & {wires[placed.back].ready}"
    module, parameters = placed.module, placed.parameters
    if placed.resize is None:
        return instance(module, placed.name, ports, parameters=parameters)
    raw, data = f"raw_{index}", ports["out_data_o"]
    ports |= {"out_data_o": raw}
    return [
        "",
        f"  logic {vector(placed.kernel.out_bits)} {raw};",
        *instance(module, placed.name, ports, parameters=parameters),
        *resize_text(placed.resize, placed.name, raw, data),
    ]


def resize_text(kernel: ResizeElementsKernel, stream: str, before: str, after: str) -> list[str]:
    """Lines that widen or narrow the elements of a stream's data."""
    ports = {"data_i": before, "data_o": after}
    return instance(kernel.module, f"{stream}_resize", ports, parameters=kernel.parameters)
