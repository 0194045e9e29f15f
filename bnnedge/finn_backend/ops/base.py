"""What every node on bnnedge's kernels has in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import finn.xsi
import numpy as np
from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from finn.util.basic import get_watchdog_timeout_cycles
from finn.util.data_packing import npy_to_rtlsim_input, rtlsim_output_to_npy
from qonnx.core.datatype import BaseDataType

from bnnedge.dataflow import ElementType
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import DesignError
from bnnedge.finn_backend.simulation import Simulation
from bnnedge.finn_backend.wrapper import Hardware, sv_file
from bnnedge.names import is_identifier, shown


class KernelOp(RTLBackend):
    """A FINN node whose RTL is bnnedge's kernels.

    Subclasses derive from this one first, and from FINN's abstract node after it, whose attributes,
    shapes, data types and Python execution they keep.
    """

    def get_nodeattr_types(self) -> dict[str, Any]:
        """FINN's attributes, and the modules that the generated code uses."""
        return {**super().get_nodeattr_types(), "sv_modules": ("strings", False, [])}

    @property
    def refusal(self) -> str | None:
        """Why this node cannot be done in bnnedge's RTL; None if it can."""
        return None

    @abstractmethod
    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """The node's kernels.

        Args:
            model: a ModelWrapper that has the node.
            memory_prefix: what the memory files' paths start with.

        Raises:
            DesignError: its tensors are not what it can do.
            FoldingError: its folding does not divide its shapes.
        """

    def generate_hdl(self, model: Any, fpgapart: str, clk: float) -> None:
        """Write the node's Verilog and memory files into `code_gen_dir_ipgen`.

        Raises:
            DesignError: see `refusal`, `check_node_name` and `hardware`.
            FoldingError: its folding does not divide its shapes.
        """
        check_node_name(self.onnx_node.name)
        if self.refusal is not None:
            raise DesignError(
                f"{self.onnx_node.name}: bnnedge's RTL does not do {self.refusal}",
                remedy="set preferred_impl_style to hls, or specialise with SpecializeKernels",
            )
        folder = self.get_nodeattr("code_gen_dir_ipgen")
        name = self.get_verilog_top_module_name()
        hardware = self.hardware(model, f"{folder}/{name}_")
        hardware.write(Path(folder), name)
        self.set_nodeattr("gen_top_module", name)
        self.set_nodeattr("sv_modules", list(hardware.modules))
        self.set_nodeattr("ipgen_path", folder)
        self.set_nodeattr("ip_path", folder)

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """The Verilog of the node, the top module's last."""
        folder = Path(self.get_nodeattr("code_gen_dir_ipgen"))
        name = self.get_nodeattr("gen_top_module")
        files = [sv_file(module) for module in self.get_nodeattr("sv_modules")]
        files += [folder / f"{name}_kernels.sv", folder / f"{name}.v"]
        return [str(file) if abspath else file.name for file in files]

    def code_generation_ipi(self) -> list[str]:
        """Tcl that adds the node to a block design."""
        adds = [f"add_files -norecurse {file}" for file in self.get_rtl_file_list(abspath=True)]
        top = self.get_nodeattr("gen_top_module")
        cell = f"create_bd_cell -type module -reference {top} {self.onnx_node.name}"
        return [*adds, cell]

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """Run in RTL if `exec_mode` is rtlsim, else as FINN's abstract node."""
        if self.get_nodeattr("exec_mode") == "rtlsim":
            self._execute_rtl(context)
        else:
            super(RTLBackend, self).execute_node(context, graph)

    def _execute_rtl(self, context: dict[str, Any]) -> None:
        node = self.onnx_node
        # Weights and thresholds are inputs of a node, but no streams.
        streams = self.get_verilog_top_module_intf_names()["s_axis"]
        inputs = {
            f"in{index}": npy_to_rtlsim_input(
                context[node.input[index]].reshape(self.get_folded_input_shape(index)),
                self.get_input_datatype(index),
                self.get_instream_width(index),
            )
            for index in range(len(streams))
        }
        shapes = [self.get_folded_output_shape(index) for index in range(len(node.output))]
        beats = {f"out{index}": int(np.prod(shape[:-1])) for index, shape in enumerate(shapes)}
        received: dict[str, list[int]] = {name: [] for name in beats}
        sim = self.get_rtlsim()
        try:
            self.reset_rtlsim(sim)
            cycles = finn.xsi.rtlsim_multi_io(
                sim,
                {"inputs": inputs, "outputs": received},
                beats if len(beats) > 1 else beats["out0"],
                sname="_V",
                liveness_threshold=get_watchdog_timeout_cycles(self.get_exp_cycles()),
            )
            if isinstance(sim, Simulation):
                sim.expect_silence()
        finally:
            self.close_rtlsim(sim)
        self.set_nodeattr("cycles_rtlsim", int(cycles))
        for index, shape in enumerate(shapes):
            element = self.get_output_datatype(index)
            values = rtlsim_output_to_npy(
                received[f"out{index}"],
                None,
                element,
                shape,
                self.get_outstream_width(index),
                element.bitwidth(),
            )
            context[node.output[index]] = values.astype(np.float32).reshape(
                self.get_normal_output_shape(index)
            )


def check_node_name(name: str) -> None:
    """Check that a node's name can be a module's, as FINN makes it one.

    Raises:
        DesignError: it is no identifier.
    """
    if not is_identifier(name) or name[0].isdigit():
        raise DesignError(
            f"node {shown(name)}: wanted a name of letters, digits and _, no digit first",
            remedy="run GiveUniqueNodeNames before",
        )


def magnitude(weights: BaseDataType) -> int:
    """The largest that a weight of a type can have."""
    return int(max(-weights.min(), weights.max()))


def element_type(datatype: BaseDataType) -> ElementType | None:
    """QONNX's type as a stream's element: BIPOLAR, BINARY, INT or UINT; None for others."""
    name = datatype.name
    if name == "BIPOLAR":
        return BIPOLAR
    if name == "BINARY" or name.startswith(("INT", "UINT")):
        return ElementType(width_bits=datatype.bitwidth(), signed=datatype.signed())
    return None
