"""The Verilog of a node: kernels between AXI4-Streams that are named as FINN names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.finn_backend.match_count import MatchCountKernel
from bnnedge.hardware.core import Placed, Source, placed_text, resize_text, stream_between
from bnnedge.hardware.kernels import SV_FOLDER, ResizeElementsKernel
from bnnedge.verilog import Direction, Port, Stream, instance, module_text, vector

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
        for placed in self.network:
            for file, text in placed.kernel.memory_texts.items():
                Path(file).write_text(text, encoding="utf-8")

    def _out_bits(self, source: Source) -> int:
        return self.network[source.kernel].widths_out[source.port]

    def _streams(self) -> list[tuple[str, Direction, int]]:
        """Name, direction and width of every stream of the node."""
        ins = [(f"in{i}", Direction.INPUT, part.width_bits) for i, part in enumerate(self.inputs)]
        outs = [
            (f"out{i}", Direction.OUTPUT, self._out_bits(source))
            for i, source in enumerate(self.outputs)
        ]
        return [*ins, *outs]

    def _axi_text(self, name: str) -> str:
        # Plain Verilog: a block design takes no SystemVerilog module.
        buses = ":".join(f"{stream}_V" for stream, *_ in self._streams())
        ports = [
            _clock_port(
                "ap_clk",
                X_INTERFACE_INFO="xilinx.com:signal:clock:1.0 ap_clk CLK",
                X_INTERFACE_PARAMETER=f"ASSOCIATED_BUSIF {buses}, ASSOCIATED_RESET ap_rst_n",
            ),
            _clock_port("ap_rst_n", X_INTERFACE_PARAMETER="POLARITY ACTIVE_LOW"),
        ]
        connections = {"clk_i": "ap_clk", "rst_ni": "ap_rst_n"}
        pads = []
        for stream, direction, bits in self._streams():
            padded = _padded(bits)
            axis = Stream.axis(f"{stream}_V", upper=True)
            ports += axis.ports(direction, padded)
            part = Stream(axis.valid, axis.ready, f"{axis.data}{vector(bits)}")
            connections |= Stream.port(stream, direction).to(part)
            if padded == bits:
                continue
            rest = f"{axis.data}[{padded - 1}:{bits}]"
            unused = f"  wire {stream}_unused = ^{rest};"
            pads.append(unused if direction is Direction.INPUT else f"  assign {rest} = 0;")
        kernels = f"{name}_kernels"
        return module_text(
            name,
            ports,
            [*pads, *instance(kernels, "kernels", connections)],
            comment=f"Generated: {kernels} between AXI4-Streams.",
            net="wire",
        )

    def _kernels_text(self, name: str) -> str:
        ports, body = [_clock_port("clk_i"), _clock_port("rst_ni")], []
        for stream, direction, bits in self._streams():
            ports += Stream.port(stream, direction).ports(direction, bits)
        wires: dict[Source, Stream] = {}
        for index, part in enumerate(self.inputs):
            stream, wires[in_stream(index)] = (
                f"in{index}",
                Stream.port(f"in{index}", Direction.INPUT),
            )
            if part.resize is not None:
                taken, data = wires[in_stream(index)], f"{stream}_data"
                bits = part.resize.elements * part.resize.out_bits
                body.append(f"  logic {vector(bits)} {data};")
                body += resize_text(part.resize, stream, taken.data, data)
                wires[in_stream(index)] = Stream(taken.valid, taken.ready, data)
        for index, source in enumerate(self.outputs):
            wires[source] = Stream.port(f"out{index}", Direction.OUTPUT)
        between = [source for source in self._given() if source not in wires]
        if between:
            body.append(f"  logic {vector(len(between))} stream_valid, stream_ready;")
        for number, source in enumerate(between):
            body.append(f"  logic {vector(self._out_bits(source))} data_{number};")
            wires[source] = stream_between(number)
        for index, placed in enumerate(self.network):
            body += placed_text(placed, index, wires)
        return module_text(
            f"{name}_kernels",
            ports,
            body,
            comment="Generated: kernels as instances and wires, nothing else.",
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


def _clock_port(name: str, **attributes: str) -> Port:
    return Port(direction=Direction.INPUT, name=name, attributes=attributes)


def _padded(bits: int) -> int:
    """AXI4-Stream data are whole bytes."""
    return (bits + 7) // 8 * 8
