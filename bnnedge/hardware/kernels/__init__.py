"""Signatures of the kernels in `sv/`: parameters, stream widths, cycles, memory files.

Each dataclass mirrors one SystemVerilog module of the same file name; what is legal there is
checked here first, with the node's name in the message.
"""

from bnnedge.hardware.kernels.base import SV_FOLDER, Kernel, Parameter, divisors
from bnnedge.hardware.kernels.branches import (
    AddKernel,
    CodeTableKernel,
    ConcatKernel,
    CropKernel,
    MultiThresholdKernel,
    PadChannelsKernel,
    StreamForkKernel,
    multi_threshold_kernel,
)
from bnnedge.hardware.kernels.memory import hex_words
from bnnedge.hardware.kernels.mvu import (
    IntegerMvuKernel,
    MvuKernel,
    ThresholdKernel,
    XnorMvuKernel,
)
from bnnedge.hardware.kernels.streams import (
    ArgMaxKernel,
    ResizeElementsKernel,
    ScoreTableKernel,
    StreamFifoKernel,
    StreamLastKernel,
    StreamWidthConverterKernel,
    TopKKernel,
)
from bnnedge.hardware.kernels.windows import (
    PoolKernel,
    PoolKind,
    PoolWindowKernel,
    SlidingWindowKernel,
    pool_kernel,
)

__all__ = [
    "SV_FOLDER",
    "AddKernel",
    "ArgMaxKernel",
    "CodeTableKernel",
    "ConcatKernel",
    "CropKernel",
    "IntegerMvuKernel",
    "Kernel",
    "MultiThresholdKernel",
    "MvuKernel",
    "PadChannelsKernel",
    "Parameter",
    "PoolKernel",
    "PoolKind",
    "PoolWindowKernel",
    "ResizeElementsKernel",
    "ScoreTableKernel",
    "SlidingWindowKernel",
    "StreamFifoKernel",
    "StreamForkKernel",
    "StreamLastKernel",
    "StreamWidthConverterKernel",
    "ThresholdKernel",
    "TopKKernel",
    "XnorMvuKernel",
    "divisors",
    "hex_words",
    "multi_threshold_kernel",
    "pool_kernel",
]
