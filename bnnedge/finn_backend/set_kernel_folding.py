"""Folding for a target, FINN's way, of nodes that FINN's SetFolding does not know."""

import math
from collections.abc import Sequence
from typing import Any

from finn.transformation.fpgadataflow.set_folding import SetFolding
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from bnnedge.hardware.kernels import divisors

# What limits a node's parallelism, by the name of its folding attribute.
_CHANNELS = {
    "BipolarFMPadding_rtl": "SIMD",
    "DuplicateStreams_rtl": "PE",
    "StreamingConcat_rtl": "SIMD",
    "IntegerAdd_rtl": "PE",
    "LabelSelect_rtl": "PE",
    "Pool_rtl": "PE",
}
_MVAUS = ("XnorMVAU_rtl", "XnorMVAU_hls")


class SetKernelFolding(SetFolding):
    """FINN's SetFolding, and after it the same for the nodes on bnnedge's kernels.

    Of an XnorMVAU, SIMD grows until the target is met or `mvau_wwidth_max` weights are read for a
    row at a time, then PE. A Pool's window takes as many channels at a time as the Pool.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Set PE and SIMD."""
        model, _ = super().apply(model)
        for node in model.graph.node:
            instance = getCustomOp(node)
            if node.op_type in _MVAUS:
                columns = divisors(instance.get_nodeattr("MW"))
                instance.set_nodeattr("PE", 1)
                narrow = [simd for simd in columns if simd <= self.mvau_wwidth_max]
                self._grow(instance, "SIMD", narrow)
                self._grow(instance, "PE", divisors(instance.get_nodeattr("MH")))
            elif node.op_type in _CHANNELS:
                self._grow(instance, _CHANNELS[node.op_type], divisors(_channels(instance)))
                window = model.find_producer(node.input[0])
                if node.op_type == "Pool_rtl" and window is not None:
                    pe = instance.get_nodeattr("PE")
                    getCustomOp(window).set_nodeattr("SIMD", pe)
            if node.op_type in (*_CHANNELS, *_MVAUS):
                instance.set_nodeattr("cycles_estimate", int(instance.get_exp_cycles()))
        return model, False

    def _grow(self, instance: Any, attribute: str, values: Sequence[int]) -> None:
        """The least of ascending `values` that meets the target, or the last one."""
        for value in values:
            instance.set_nodeattr(attribute, value)
            if instance.get_exp_cycles() <= self.target_cycles_per_frame:
                return


def _channels(instance: Any) -> int:
    """What PE or SIMD divides."""
    if instance.onnx_node.op_type == "Pool_rtl":
        return int(instance.get_nodeattr("Channels"))
    streams = len(instance.get_verilog_top_module_intf_names()["s_axis"])
    return math.gcd(*(int(instance.get_normal_input_shape(i)[-1]) for i in range(streams)))
