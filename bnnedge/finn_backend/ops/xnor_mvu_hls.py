"""`XnorMVAU_hls`: the matrix-vector unit in bnnedge's own HLS C++."""

import math
from pathlib import Path
from typing import Any

from finn.custom_op.fpgadataflow import templates
from finn.custom_op.fpgadataflow.hls import register_custom_op as register_hls
from finn.custom_op.fpgadataflow.hlsbackend import HLSBackend
from finn.util.basic import MAX_ALLOWED_AP_INT_W
from finn.util.settings import get_settings

from bnnedge import tools
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import DesignError, SimulationError
from bnnedge.finn_backend.ops.base import check_node_name, element_type
from bnnedge.finn_backend.ops.xnor_mvu import XnorMVAU
from bnnedge.vitis_hls.csim import FLAGS, STREAM_WARNING
from bnnedge.vitis_hls.emit import render
from bnnedge.vitis_hls.top import INCLUDE_FOLDER, build_top

_HARNESS = Path(__file__).parents[1] / "harness" / "cppsim.cpp"
_TIMEOUT_S = 3600.0


@register_hls
class XnorMVAU_hls(HLSBackend, XnorMVAU):  # noqa: N801
    """`XnorMVAU` on the HLS twins of the kernels that `XnorMVAU_rtl` has.

    What cppsim compiles is what Vitis HLS gets. cppsim wants g++ and `ap_int.h` (see
    `bnnedge.tools.ap_types`), and neither Vitis HLS nor finn-hlslib.
    """

    @property
    def refusal(self) -> str | None:
        """Why this node cannot be done in bnnedge's HLS C++; None if it can."""
        return self.kernel_refusal

    def code_generation_ipgen(self, model: Any, fpgapart: str, clk: float) -> None:
        """Write `top_<name>.cpp` and FINN's Tcl for it into `code_gen_dir_ipgen`.

        Args:
            model: a ModelWrapper that has the node.
            fpgapart: device.
            clk: clock period in ns.

        Raises:
            DesignError: what the node is not made for, or words wider than Vitis HLS takes.
            FoldingError: its folding does not divide its shapes.
        """
        folder = Path(self.get_nodeattr("code_gen_dir_ipgen"))
        name = self.onnx_node.name
        self._write_cpp(model, folder)
        script = templates.ipgentcl_template
        for key, text in {
            "$PROJECTNAME$": f"project_{name}",
            "$HWSRCDIR$": folder,
            "$FPGAPART$": fpgapart,
            "$TOPFXN$": name,
            "$CLKPERIOD$": clk,
            "$DEFAULT_DIRECTIVES$": "\n".join(self.ipgen_default_directives()),
            "$EXTRA_DIRECTIVES$": "\n".join(self.ipgen_extra_directives()),
            "$FINNHLSLIB$": INCLUDE_FOLDER,  # in the place of finn-hlslib
            "$ATTENTIONHLSLIB$": get_settings().finn_deps / "attention-hlslib",
        }.items():
            script = script.replace(key, str(text))
        (folder / f"hls_syn_{name}.tcl").write_text(script, encoding="utf-8")

    def code_generation_cppsim(self, model: Any) -> None:
        """Write `top_<name>.cpp` into `code_gen_dir_cppsim`; see `code_generation_ipgen`."""
        self._write_cpp(model, Path(self.get_nodeattr("code_gen_dir_cppsim")))

    def compile_singlenode_code(self) -> None:
        """Compile for cppsim, and set `executable_path`.

        Raises:
            ToolMissingError: there is no g++, or no `ap_int.h`.
            ToolFailedError: it does not compile.
        """
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        executable = folder / "node_model"
        result = self.get_output_datatype()
        macros = {
            "NODE": self.onnx_node.name,
            "IN_BITS": self.get_input_datatype(0).bitwidth(),
            "OUT_BITS": result.bitwidth(),
            # FINN keeps ±1 as bits in files.
            "OUT_SIGNED": int(result.signed() and element_type(result) != BIPOLAR),
        }
        argv: list[str | Path] = [tools.find("g++"), *FLAGS, "-isystem", tools.ap_types()]
        argv += ["-I", INCLUDE_FOLDER, *(f"-DBNNEDGE_{key}={macros[key]}" for key in macros)]
        argv += ["-include", f"top_{self.onnx_node.name}.cpp", _HARNESS, "-o", executable]
        tools.run(argv, cwd=folder, log=folder / "compile.log", timeout_s=_TIMEOUT_S)
        self.set_nodeattr("executable_path", str(executable))

    def exec_precompiled_singlenode_model(self) -> None:
        """Run `input_0.npy` through the compiled node, into `output_0.npy`.

        Raises:
            SimulationError: it is not compiled, or a stream lacks words or has some left over.
            ToolFailedError: it fails.
        """
        executable = self.get_nodeattr("executable_path")
        if not executable:
            raise SimulationError(
                f"{self.onnx_node.name}: it is not compiled for cppsim",
                remedy="run PrepareCppSim and CompileCppSim",
            )
        folder = Path(self.get_nodeattr("code_gen_dir_cppsim"))
        log = folder / "run.log"
        tools.run([executable], cwd=folder, log=log, timeout_s=_TIMEOUT_S)
        warnings = [
            line for line in log.read_text(encoding="utf-8").splitlines() if STREAM_WARNING in line
        ]
        if warnings:
            raise SimulationError(f"{self.onnx_node.name}: {warnings[0]}")

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """Run as FINN's HLS nodes if `exec_mode` is cppsim or rtlsim, else as the abstract node."""
        node = HLSBackend if self.get_nodeattr("exec_mode") else XnorMVAU
        node.execute_node(self, context, graph)

    def _write_cpp(self, model: Any, folder: Path) -> None:
        name = self.onnx_node.name
        check_node_name(name)
        if self.refusal is not None:
            raise DesignError(f"{name}: bnnedge's HLS C++ does not do {self.refusal}")
        words = math.prod(self.get_folded_input_shape()[:-1])
        network = self.kernels(model, memory_prefix="").network
        top = build_top(network, ports=("in0_V", "out0_V"), words=words)
        in_bits, out_bits = self.get_instream_width(), self.get_outstream_width()
        widest = max(in_bits, out_bits, *(channel.width_bits for channel in top.channels))
        if widest > MAX_ALLOWED_AP_INT_W:
            raise DesignError(
                f"{name}: wanted words of {MAX_ALLOWED_AP_INT_W} bits or less in HLS, got {widest}",
                remedy="lower PE or SIMD",
            )
        (folder / "memories.hpp").write_text(
            render("memories.hpp", design={"name": name}, top=top), encoding="utf-8"
        )
        text = render(
            "node.cpp",
            function=name,
            top=top,
            in_bits=in_bits,
            out_bits=out_bits,
            widest_bits=widest,
        )
        (folder / f"top_{name}.cpp").write_text(text, encoding="utf-8")

    def _not_used(self, *_: Any) -> None:
        """Parts of FINN's own C++, which this node does without."""

    blackboxfunction = defines = docompute = global_includes = _not_used
