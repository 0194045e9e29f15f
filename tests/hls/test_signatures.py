"""The headers and the kernels of the hardware have the same names."""

import re

import pytest

from bnnedge.hardware import kernels
from bnnedge.hardware.kernels import SV_FOLDER, Kernel, StreamFifoKernel, UnrolledKernel
from bnnedge.vitis_hls.top import INCLUDE_FOLDER, template_arguments

_HEADERS = INCLUDE_FOLDER / "bnnedge"
_STREAM_KERNELS = [
    kind.module
    for kind in vars(kernels).values()
    if isinstance(kind, type) and issubclass(kind, Kernel) and hasattr(kind, "module")
] + ["resize_elements", "stream_last"]
# Of `stream_last` in SystemVerilog the width does not matter: it only listens to the handshake.
_OWN = {"Frames", "Width"}


# A gate and a FIFO are no calls; what is generated has no parameters in SystemVerilog.
_OTHERS = {
    "stream_fifo",
    "credit_gate",
    *(kind.module for kind in UnrolledKernel.__subclasses__()),
}


@pytest.mark.parametrize("module", sorted({*_STREAM_KERNELS} - _OTHERS))
def test_every_kernel_has_a_twin_with_its_parameters(module: str) -> None:
    header = (_HEADERS / f"{module}.hpp").read_text()
    (declared,) = re.findall(rf"template <([^>]*)>\s*void {module}\(", header)
    names = re.findall(r"(?:unsigned|int|bool) (\w+)", declared)
    assert names[-1] == "Frames"
    source = (SV_FOLDER / f"{module}.sv").read_text()
    theirs = set(re.findall(r"parameter\s+(?:bit|int unsigned|int)?\s*(\w+)\s*=", source))
    files = {name for name in theirs if name.endswith("File")}
    # What only says which memory cells are taken, and a width that a memory of the twin knows.
    left_out = {"BlockRom", "BlockRam", "ThresholdBits", *files}
    assert theirs - left_out <= set(names) <= theirs | _OWN


def test_a_kernel_without_a_twin_is_our_own_defect() -> None:
    with pytest.raises(AssertionError, match="stream_fifo has no twin in HLS"):
        template_arguments(StreamFifoKernel(width_bits=1, depth_words=2, image_words=1))
