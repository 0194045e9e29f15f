"""Signatures of the kernels in `sv/`: parameters, stream widths, cycles, memory files.

Each dataclass mirrors one SystemVerilog module of the same file name; what is legal there is
checked here first, with the node's name in the message.

The imports are the table of kernels, in any order: a node is done by the only one whose `nodes`
name its type.
"""

from typing import Any

from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.errors import DesignError
from bnnedge.hardware.kernels.add import AddKernel as AddKernel
from bnnedge.hardware.kernels.arg_max import ArgMaxKernel as ArgMaxKernel
from bnnedge.hardware.kernels.base import SV_FOLDER as SV_FOLDER
from bnnedge.hardware.kernels.base import Frame as Frame
from bnnedge.hardware.kernels.base import Kernel as Kernel
from bnnedge.hardware.kernels.base import Module as Module
from bnnedge.hardware.kernels.base import Parameter as Parameter
from bnnedge.hardware.kernels.base import divisors as divisors
from bnnedge.hardware.kernels.code_table import CodeTableKernel as CodeTableKernel
from bnnedge.hardware.kernels.concat import ConcatKernel as ConcatKernel
from bnnedge.hardware.kernels.credit_gate import CreditGateKernel as CreditGateKernel
from bnnedge.hardware.kernels.crop import CropKernel as CropKernel
from bnnedge.hardware.kernels.integer_mvu import IntegerMvuKernel as IntegerMvuKernel
from bnnedge.hardware.kernels.lut_layer import LutLayerKernel as LutLayerKernel
from bnnedge.hardware.kernels.memory import Memory as Memory
from bnnedge.hardware.kernels.memory import hex_words as hex_words
from bnnedge.hardware.kernels.multi_threshold import MultiThresholdKernel as MultiThresholdKernel
from bnnedge.hardware.kernels.mvu_fold import MvuKernel as MvuKernel
from bnnedge.hardware.kernels.node_kernel import Fold as Fold
from bnnedge.hardware.kernels.node_kernel import NodeKernel as NodeKernel
from bnnedge.hardware.kernels.node_kernel import Wanted as Wanted
from bnnedge.hardware.kernels.pad_channels import PadChannelsKernel as PadChannelsKernel
from bnnedge.hardware.kernels.pool import PoolKernel as PoolKernel
from bnnedge.hardware.kernels.pool_combine import PoolKind as PoolKind
from bnnedge.hardware.kernels.pool_window import PoolWindowKernel as PoolWindowKernel
from bnnedge.hardware.kernels.resize_elements import ResizeElementsKernel as ResizeElementsKernel
from bnnedge.hardware.kernels.score_table import ScoreTableKernel as ScoreTableKernel
from bnnedge.hardware.kernels.sliding_window import SlidingWindowKernel as SlidingWindowKernel
from bnnedge.hardware.kernels.stream_fifo import StreamFifoKernel as StreamFifoKernel
from bnnedge.hardware.kernels.stream_fork import StreamForkKernel as StreamForkKernel
from bnnedge.hardware.kernels.stream_last import StreamLastKernel as StreamLastKernel
from bnnedge.hardware.kernels.stream_width_converter import (
    StreamWidthConverterKernel as StreamWidthConverterKernel,
)
from bnnedge.hardware.kernels.threshold import ThresholdKernel as ThresholdKernel
from bnnedge.hardware.kernels.top_k import TopKKernel as TopKKernel
from bnnedge.hardware.kernels.unrolled import UnrolledKernel as UnrolledKernel
from bnnedge.hardware.kernels.unrolled_mvu import UnrolledMvuKernel as UnrolledMvuKernel
from bnnedge.hardware.kernels.xnor_mvu import XnorMvuKernel as XnorMvuKernel

_RULES: tuple[type[NodeKernel[Any]], ...] = tuple(
    value
    for value in tuple(globals().values())
    if isinstance(value, type) and issubclass(value, NodeKernel)
)


def kernel_for(node: BaseNode) -> type[NodeKernel[Any]]:
    """The kernel that does a node.

    Raises:
        DesignError: there is none; names the node.
    """
    for rule in _RULES:
        if isinstance(node, rule.nodes):
            return rule
    raise DesignError(
        f"{node.name}: no kernel does a {type(node).__name__}",
        remedy="add one to bnnedge.hardware.kernels, and name the node's type in its `nodes`",
    )
