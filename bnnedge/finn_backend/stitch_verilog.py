"""The dataflow design as one Verilog module, for rtlsim without Vivado."""

from pathlib import Path

from finn.transformation.fpgadataflow.replace_verilog_relpaths import ReplaceVerilogRelPaths
from finn.util.basic import make_build_dir
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from bnnedge.errors import DesignError
from bnnedge.finn_backend.ops.base import check_node_name
from bnnedge.finn_backend.verilog import ports_of
from bnnedge.finn_backend.xsi import CLOCK, RESET
from bnnedge.verilog import Direction, Port, Stream, instance, module_text, vector

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
        _check_streams(model)
        design = _Design(model)
        for node in model.graph.node:
            design.add(node)
        wrapper.write_text(design.text(), encoding="utf-8")
        (folder / "all_verilog_srcs.txt").write_text(
            "\n".join([*design.sources, str(wrapper), ""]), encoding="utf-8"
        )
        interfaces = {
            "clk": [CLOCK],
            "rst": [RESET],
            "s_axis": sorted(design.inputs.items(), key=_number),
            "m_axis": sorted(design.outputs.items(), key=_number),
            "aximm": [],
            "axilite": [],
        }
        model.set_metadata_prop("vivado_stitch_proj", str(folder))
        model.set_metadata_prop("wrapper_filename", str(wrapper))
        model.set_metadata_prop("vivado_stitch_ifnames", str(interfaces))
        model.set_metadata_prop("rtlsim_so", "")
        return model, False


class _Design:
    """A module with an instance for every node, and a signal for every stream.

    Attributes:
        sources: files of the instances' modules, each once, in their order.
        inputs: widths in bits of the module's input streams, by name.
        outputs: the same of its output streams.
    """

    def __init__(self, model: ModelWrapper) -> None:
        self.sources: dict[str, None] = {}
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self._wires: list[str] = []
        self._body: list[str] = []
        self._signals: dict[str, str] = {}  # by tensor
        for side, tensors in (("s_axis", model.graph.input), ("m_axis", model.graph.output)):
            self._signals |= {tensor.name: f"{side}_{i}" for i, tensor in enumerate(tensors)}

    def add(self, node: NodeProto) -> None:
        """Instantiate a node's module. Raises DesignError as `StitchVerilog` says."""
        check_node_name(node.name)
        node_op = getCustomOp(node)
        top = node_op.get_nodeattr("gen_top_module")
        if not node.domain.endswith(".rtl") or not top:
            raise DesignError(
                f"{node.name}: wanted generated RTL, got {node.op_type}",
                remedy="run SpecializeKernels, SpecializeLayers and PrepareIP before",
            )
        files = [str(file) for file in node_op.get_rtl_file_list(abspath=True)]
        self.sources |= dict.fromkeys(files)
        streams = node_op.get_verilog_top_module_intf_names()
        if streams["aximm"]:
            raise DesignError(f"{node.name}: wanted streams only, got a memory port")
        connections = {CLOCK: CLOCK, RESET: RESET}
        for ends, side, tensors in (
            (self.inputs, "s_axis", node.input),
            (self.outputs, "m_axis", node.output),
        ):
            for (port, bits), tensor in zip(streams[side], tensors, strict=False):
                signal = self._signal(tensor, bits)
                if signal.startswith(side):
                    ends[signal] = bits
                connections |= Stream.axis(port, upper=True).to(Stream.axis(signal))
        texts = [Path(file).read_text(encoding="utf-8") for file in files]
        there = ports_of(top, texts, clock=CLOCK, reset=RESET)
        used = {port for port, _ in streams["s_axis"]}
        idle = [stream.signals for stream in there.inputs if stream.name not in used]
        tied = [*there.tied, *(port for idler in idle for port in (idler.valid, idler.data))]
        self._body += instance(top, node.name, connections | dict.fromkeys(tied, "0"))

    def _signal(self, tensor: str, bits: int) -> str:
        """The name of a tensor's stream, between nodes or at the module's ends."""
        if tensor not in self._signals:
            signal = self._signals[tensor] = f"stream_{len(self._signals)}"
            stream = Stream.axis(signal)
            self._wires.append(f"  wire {stream.valid}, {stream.ready};")
            self._wires.append(f"  wire {vector(bits)} {stream.data};")
        return self._signals[tensor]

    def text(self) -> str:
        """The module's Verilog."""
        ports = [Port(direction=Direction.INPUT, name=name) for name in (CLOCK, RESET)]
        for ends, direction in (
            (self.inputs, Direction.INPUT),
            (self.outputs, Direction.OUTPUT),
        ):
            for signal, bits in ends.items():
                ports += Stream.axis(signal).ports(direction, bits)
        return module_text(
            _TOP,
            ports,
            [*self._wires, *self._body],
            comment="Generated: the nodes of a dataflow design, stream by stream.",
            net="wire",
        )


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
