"""The Verilog of a node: kernels between AXI4-Streams that are named as FINN names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.finn_backend.match_count import MatchCountKernel
from bnnedge.hardware.core import Placed, Source, Wires, instance_text, placed_text
from bnnedge.hardware.kernels import SV_FOLDER, ResizeElementsKernel

_OWN_SV_FOLDER = Path(__file__).parent / "sv"


@dataclass(frozen=True, kw_only=True)
class Input:
    """A stream that a node takes.

    Attributes:
        width_bits: of its words.
        resize: widens its elements before a kernel takes them.
    """

    width_bits: int
    resize: ResizeElementsKernel | None = None


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The kernels of a node.

    Attributes:
        inputs: streams that it takes; the kernels know input i as `in_stream(i)`.
        network: each behind those whose streams it takes.
        outputs: streams that it gives.
    """

    inputs: tuple[Input, ...]
    network: tuple[Placed, ...]
    outputs: tuple[Source, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of all SystemVerilog modules, each once."""
        names = [part.resize.module for part in self.inputs if part.resize]
        for placed in self.network:
            names += [placed.kernel.module, *placed.kernel.submodules]
            names += [placed.resize.module] if placed.resize else []
        return tuple(dict.fromkeys(names))

    def write(self, folder: Path, name: str) -> None:
        """Write `<name>.v` and `<name>_kernels.sv`, and memory files where kernels want them."""
        (folder / f"{name}.v").write_text(self._axi_text(name), encoding="utf-8")
        (folder / f"{name}_kernels.sv").write_text(self._kernels_text(name), encoding="utf-8")
        self.write_memories()

    def write_memories(self) -> None:
        """Write the memory files that kernels want, where their names say."""
        for placed in self.network:
            for file, text in placed.kernel.memories.items():
                Path(file).write_text(text, encoding="utf-8")

    def _out_bits(self, source: Source) -> int:
        return self.network[source.kernel].widths_out[source.port]

    def _axi_text(self, name: str) -> str:
        # Plain Verilog: a block design takes no SystemVerilog module.
        ins = [(f"in{i}", part.width_bits) for i, part in enumerate(self.inputs)]
        outs = [(f"out{i}", self._out_bits(source)) for i, source in enumerate(self.outputs)]
        buses = ":".join(f"{stream}_V" for stream, _ in [*ins, *outs])
        ports = [
            '  (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 ap_clk CLK" *)\n'
            f'  (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {buses}, ASSOCIATED_RESET ap_rst_n"'
            " *)\n  input  wire ap_clk",
            '  (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)\n  input  wire ap_rst_n',
        ]
        connections = [".clk_i(ap_clk)", ".rst_ni(ap_rst_n)"]
        pads = []
        for stream, bits in ins:
            padded = _padded(bits)
            ports += [
                f"  input  wire {stream}_V_TVALID",
                f"  output wire {stream}_V_TREADY",
                f"  input  wire [{padded - 1}:0] {stream}_V_TDATA",
            ]
            connections += [
                f".{stream}_valid_i({stream}_V_TVALID)",
                f".{stream}_ready_o({stream}_V_TREADY)",
                f".{stream}_data_i({stream}_V_TDATA[{bits - 1}:0])",
            ]
            if padded > bits:
                pads.append(f"  wire {stream}_unused = ^{stream}_V_TDATA[{padded - 1}:{bits}];")
        for stream, bits in outs:
            padded = _padded(bits)
            ports += [
                f"  output wire {stream}_V_TVALID",
                f"  input  wire {stream}_V_TREADY",
                f"  output wire [{padded - 1}:0] {stream}_V_TDATA",
            ]
            connections += [
                f".{stream}_valid_o({stream}_V_TVALID)",
                f".{stream}_ready_i({stream}_V_TREADY)",
                f".{stream}_data_o({stream}_V_TDATA[{bits - 1}:0])",
            ]
            if padded > bits:
                pads.append(f"  assign {stream}_V_TDATA[{padded - 1}:{bits}] = 0;")
        return "\n".join(
            [
                f"// Generated: {name}_kernels between AXI4-Streams.",
                f"module {name} (",
                ",\n".join(ports),
                ");",
                *pads,
                f"  {name}_kernels i_kernels (",
                ",\n".join(f"    {connection}" for connection in connections),
                "  );",
                "endmodule",
                "",
            ]
        )

    def _kernels_text(self, name: str) -> str:
        wires: dict[Source, Wires] = {}
        ports, body = ["  input  logic clk_i", "  input  logic rst_ni"], []
        for index, part in enumerate(self.inputs):
            stream = f"in{index}"
            ports += [
                f"  input  logic {stream}_valid_i",
                f"  output logic {stream}_ready_o",
                f"  input  logic [{part.width_bits - 1}:0] {stream}_data_i",
            ]
            data = f"{stream}_data_i"
            if part.resize is not None:
                bits = part.resize.elements * part.resize.out_bits
                body.append(f"  logic [{bits - 1}:0] {stream}_data;")
                body += instance_text(
                    part.resize.module,
                    f"{stream}_resize",
                    part.resize.parameters,
                    {"data_i": data, "data_o": f"{stream}_data"},
                )
                data = f"{stream}_data"
            wires[in_stream(index)] = Wires(f"{stream}_valid_i", f"{stream}_ready_o", data)
        for index, source in enumerate(self.outputs):
            stream = f"out{index}"
            ports += [
                f"  output logic {stream}_valid_o",
                f"  input  logic {stream}_ready_i",
                f"  output logic [{self._out_bits(source) - 1}:0] {stream}_data_o",
            ]
            wires[source] = Wires(f"{stream}_valid_o", f"{stream}_ready_i", f"{stream}_data_o")
        between = [source for source in self._given() if source not in wires]
        if between:
            body.append(f"  logic [{len(between) - 1}:0] stream_valid, stream_ready;")
        for number, source in enumerate(between):
            body.append(f"  logic [{self._out_bits(source) - 1}:0] data_{number};")
            wires[source] = Wires.between(number)
        for index, placed in enumerate(self.network):
            body += placed_text(placed, index, wires)
        return "\n".join(
            [
                "// Generated: kernels as instances and wires, nothing else.",
                f"module {name}_kernels (",
                ",\n".join(ports),
                ");",
                *body,
                "endmodule",
                "",
            ]
        )

    def _given(self) -> Sequence[Source]:
        return [
            Source(kernel=index, port=port)
            for index, placed in enumerate(self.network)
            for port in range(len(placed.widths_out))
        ]


def in_stream(index: int) -> Source:
    """Input `index` of a node, for its kernels."""
    return Source(kernel=-1, port=index)


def sv_file(module: str) -> Path:
    """Where a SystemVerilog module is."""
    own = module == MatchCountKernel.module
    return (_OWN_SV_FOLDER if own else SV_FOLDER) / f"{module}.sv"


def _padded(bits: int) -> int:
    """AXI4-Stream data are whole bytes."""
    return (bits + 7) // 8 * 8
