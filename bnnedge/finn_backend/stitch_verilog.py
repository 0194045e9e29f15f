"""The dataflow design as one Verilog module, for rtlsim without Vivado."""

from pathlib import Path

from finn.transformation.fpgadataflow.replace_verilog_relpaths import ReplaceVerilogRelPaths
from finn.util.basic import make_build_dir
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from bnnedge.errors import DesignError
from bnnedge.finn_backend.ops.base import check_node_name
from bnnedge.finn_backend.verilog import ports_of
from bnnedge.finn_backend.xsi import CLOCK, RESET

_TOP = "finn_design_wrapper"


class StitchVerilog(Transformation):
    """Wires the generated RTL of all nodes together, as the block design of CreateStitchedIP does.

    It leaves the same metadata, so with `exec_mode` rtlsim FINN's `execute_onnx` runs the whole
    design. Comes after PrepareIP. Inputs that no other node and no user drives, like the registers
    of FINN's Thresholding, stay 0.

    Raises:
        DesignError: a node is in HLS, has no generated code, reads memory outside, or has a name
            that is no identifier; a stream has several readers, or another width at its reader.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Write the module and its list of sources."""
        model = model.transform(ReplaceVerilogRelPaths())
        folder = Path(make_build_dir(prefix="stitched_verilog_"))
        wrapper = folder / f"{_TOP}.v"
        sources: dict[str, None] = {}
        ends: dict[str, list[tuple[str, int]]] = {"s_axis": [], "m_axis": []}
        ports, wires, body = ["  input wire ap_clk", "  input wire ap_rst_n"], [], []
        names: dict[str, str] = {}  # signals by tensor
        for side, tensors in (("s_axis", model.graph.input), ("m_axis", model.graph.output)):
            names |= {tensor.name: f"{side}_{index}" for index, tensor in enumerate(tensors)}
        _check_streams(model)
        for node in model.graph.node:
            check_node_name(node.name)
            instance = getCustomOp(node)
            if not node.domain.endswith(".rtl") or not instance.get_nodeattr("gen_top_module"):
                raise DesignError(
                    f"{node.name}: wanted generated RTL, got {node.op_type}",
                    remedy="run SpecializeKernels, SpecializeLayers and PrepareIP before",
                )
            files = [str(file) for file in instance.get_rtl_file_list(abspath=True)]
            sources |= dict.fromkeys(files)
            streams = instance.get_verilog_top_module_intf_names()
            if streams["aximm"]:
                raise DesignError(f"{node.name}: wanted streams only, got a memory port")
            connections = [".ap_clk(ap_clk)", ".ap_rst_n(ap_rst_n)"]
            for side, tensors in (("s_axis", node.input), ("m_axis", node.output)):
                for (port, bits), tensor in zip(streams[side], tensors, strict=False):
                    signal = names.get(tensor)
                    if signal is None:
                        signal = names[tensor] = f"stream_{len(names)}"
                        wires.append(f"  wire {signal}_tvalid, {signal}_tready;")
                        wires.append(f"  wire [{bits - 1}:0] {signal}_tdata;")
                    elif signal.startswith(side):
                        ends[side].append((signal, bits))
                        ports += _ports(signal, bits)
                    connections += [
                        f".{port}_{word.upper()}({signal}_{word})"
                        for word in ("tvalid", "tready", "tdata")
                    ]
            top = instance.get_nodeattr("gen_top_module")
            texts = [Path(file).read_text(encoding="utf-8") for file in files]
            there = ports_of(top, texts, clock=CLOCK, reset=RESET)
            used = {port for port, _ in streams["s_axis"]}
            idle = [axis for axis in there.inputs if axis.name not in used]
            tied = [*there.others, *(port for axis in idle for port in (axis.valid, axis.data))]
            connections += [f".{port}(0)" for port in tied]
            body.append(f"  {top} i_{node.name} (")
            body.append(",\n".join(f"    {connection}" for connection in connections))
            body.append("  );")

        lines = [
            "// Generated: the nodes of a dataflow design, stream by stream.",
            f"module {_TOP} (",
            ",\n".join(ports),
            ");",
            *wires,
            *body,
            "endmodule",
            "",
        ]
        wrapper.write_text("\n".join(lines), encoding="utf-8")
        (folder / "all_verilog_srcs.txt").write_text(
            "\n".join([*sources, str(wrapper), ""]), encoding="utf-8"
        )
        interfaces = {
            "clk": ["ap_clk"],
            "rst": ["ap_rst_n"],
            **{side: sorted(streams, key=_number) for side, streams in ends.items()},
            "aximm": [],
            "axilite": [],
        }
        model.set_metadata_prop("vivado_stitch_proj", str(folder))
        model.set_metadata_prop("wrapper_filename", str(wrapper))
        model.set_metadata_prop("vivado_stitch_ifnames", str(interfaces))
        model.set_metadata_prop("rtlsim_so", "")
        return model, False


def _check_streams(model: ModelWrapper) -> None:
    """Every stream has one reader, as wide as what it reads."""
    for node in model.graph.node:
        for index, tensor in enumerate(node.output):
            readers = model.find_consumers(tensor)
            if len(readers) > 1:
                raise DesignError(
                    f"{node.name}: wanted one reader of a stream,"
                    f" got {', '.join(reader.name for reader in readers)}",
                    remedy="run InferDuplicateStreamsLayer",
                )
            given = getCustomOp(node).get_outstream_width(index)
            for reader in readers:
                taken = getCustomOp(reader).get_instream_width(list(reader.input).index(tensor))
                if taken != given:
                    raise DesignError(
                        f"{node.name} → {reader.name}: wanted streams of one width,"
                        f" got {given} and {taken} bits",
                        remedy="run InsertDWC, and PrepareIP again",
                    )


def _number(stream: tuple[str, int]) -> int:
    return int(stream[0].rpartition("_")[2])


def _ports(signal: str, bits: int) -> list[str]:
    there, back = ("input", "output") if signal.startswith("s_axis") else ("output", "input")
    return [
        f"  {there} wire {signal}_tvalid",
        f"  {back} wire {signal}_tready",
        f"  {there} wire [{bits - 1}:0] {signal}_tdata",
    ]
