"""Nodes become those on bnnedge's kernels."""

from typing import Any

from finn.custom_op.fpgadataflow import rtl
from finn.util.logging import log
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames

from bnnedge.finn_backend.infer_xnor_mvau import DOMAIN
from bnnedge.finn_backend.ops.base import KernelOp

_KERNEL_OPS = {
    "MVAU": "XnorMVAU_rtl",
    "XnorMVAU": "XnorMVAU_rtl",
    "DuplicateStreams": "DuplicateStreams_rtl",
    "StreamingConcat": "StreamingConcat_rtl",
    "ElementwiseAdd": "IntegerAdd_rtl",
    "Pool": "Pool_rtl",
    "LabelSelect": "LabelSelect_rtl",
}
# Of those that prefer hls.
_HLS_OPS = {"XnorMVAU": "XnorMVAU_hls"}


class SpecializeKernels(Transformation):
    """What bnnedge has RTL for becomes that; FINN's SpecializeLayers comes next for the rest.

    Of nodes whose `preferred_impl_style` is hls, an XnorMVAU becomes bnnedge's in HLS, and others
    are left to FINN, as are those that bnnedge's kernels cannot do. Of FINN's own MVAUs, those with
    weights of one bit are taken, except ±1 on ±1 inputs without `binaryXnorMode`: these give the
    number of pairs that agree, whatever they were made of.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Replace nodes one for one."""
        nodes = model.graph.node
        for index, node in enumerate(list(nodes)):
            if node.domain != DOMAIN or node.op_type not in _KERNEL_OPS:
                continue
            instance = getCustomOp(node)
            hls = instance.get_nodeattr("preferred_impl_style") == "hls"
            op_type = (_HLS_OPS if hls else _KERNEL_OPS).get(node.op_type)
            if op_type is None:
                continue
            kernel_node = _specialized(node, op_type)
            refusal = _refusal(instance) or getCustomOp(kernel_node).refusal
            if refusal is None:
                nodes.remove(node)
                nodes.insert(index, kernel_node)
                continue
            log.warning(f"{node.name}: left to FINN, bnnedge's kernels do not do {refusal}")
            if issubclass(rtl.custom_op.get(f"{node.op_type}_rtl", object), KernelOp):
                instance.set_nodeattr("preferred_impl_style", "hls")
        return model.transform(GiveUniqueNodeNames()), False


def _specialized(node: NodeProto, op_type: str) -> NodeProto:
    style = op_type.rpartition("_")[2]
    twin = helper.make_node(
        op_type, node.input, node.output, name=node.name, domain=f"{DOMAIN}.{style}"
    )
    dropped = ("preferred_impl_style", "mem_mode")
    twin.attribute.extend(part for part in node.attribute if part.name not in dropped)
    return twin


def _refusal(instance: Any) -> str | None:
    """Why an MVAU of FINN's is not an XnorMVAU."""
    if instance.onnx_node.op_type != "MVAU":
        return None
    mem_mode = instance.get_nodeattr("mem_mode")
    if mem_mode not in ("internal_embedded", "internal_decoupled"):
        return f"mem_mode {mem_mode}"
    types = {instance.get_input_datatype(index).name for index in (0, 1)}
    if types == {"BIPOLAR"} and not instance.get_nodeattr("binaryXnorMode"):
        return "counts of pairs that agree without binaryXnorMode"
    return None
