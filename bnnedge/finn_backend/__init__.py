"""bnnedge's kernels as backends for FINN, and FINN's rtlsim in Verilator.

Importing this package registers the nodes with FINN (`finn-plus`), as FINN's own are: `XnorMVAU`
with `XnorMVAU_rtl` and `XnorMVAU_hls`, `BipolarFMPadding`, and RTL for DuplicateStreams,
StreamingConcat, ElementwiseAdd of integers, Pool (maxima) and LabelSelect.
`docs/tutorials/finn.md` shows the way through FINN's builder.
"""

from bnnedge.extras import Extra, require

require("bnnedge.finn_backend", Extra.FINN)

from bnnedge.finn_backend import ops as ops
from bnnedge.finn_backend.infer_xnor_mvau import InferXnorMVAU
from bnnedge.finn_backend.set_join_fifo_depths import SetJoinFIFODepths
from bnnedge.finn_backend.set_kernel_folding import SetKernelFolding
from bnnedge.finn_backend.settings import use_build_folder
from bnnedge.finn_backend.specialize_kernels import SpecializeKernels
from bnnedge.finn_backend.stitch_verilog import StitchVerilog
from bnnedge.finn_backend.xsi import rtlsim, use_verilator

__all__ = [
    "InferXnorMVAU",
    "SetJoinFIFODepths",
    "SetKernelFolding",
    "SpecializeKernels",
    "StitchVerilog",
    "rtlsim",
    "use_build_folder",
    "use_verilator",
]
