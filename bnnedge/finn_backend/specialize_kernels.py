"""Nodes become those on bnnedge's kernels."""

from finn.custom_op.fpgadataflow import hls
from finn.util.logging import log
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames

from bnnedge.finn_backend.infer_xnor_mvau import DOMAIN

KERNEL_OPS = {
    "XnorMVAU": "XnorMVAU_rtl",
    "DuplicateStreams": "DuplicateStreams_rtl",
    "StreamingConcat": "StreamingConcat_rtl",
    "ElementwiseAdd": "IntegerAdd_rtl",
    "Pool": "Pool_rtl",
    "LabelSelect": "LabelSelect_rtl",
}


class SpecializeKernels(Transformation):
    """What bnnedge has RTL for becomes that; FINN's SpecializeLayers comes next for the rest.

    A node whose `preferred_impl_style` is hls, or that bnnedge's RTL cannot do, is left to HLS.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Replace nodes one for one."""
        nodes = model.graph.node
        for index, node in enumerate(list(nodes)):
            if node.domain != DOMAIN or node.op_type not in KERNEL_OPS:
                continue
            instance = getCustomOp(node)
            if instance.get_nodeattr("preferred_impl_style") == "hls":
                continue
            kernel_node = _specialized(node)
            refusal = getCustomOp(kernel_node).refusal
            if refusal is None:
                nodes.remove(node)
                nodes.insert(index, kernel_node)
            elif f"{node.op_type}_hls" in hls.custom_op:
                log.warning(f"{node.name}: left to HLS, bnnedge's RTL does not do {refusal}")
                instance.set_nodeattr("preferred_impl_style", "hls")
        return model.transform(GiveUniqueNodeNames()), False


def _specialized(node: NodeProto) -> NodeProto:
    twin = helper.make_node(
        KERNEL_OPS[node.op_type], node.input, node.output, name=node.name, domain=f"{DOMAIN}.rtl"
    )
    twin.attribute.extend(part for part in node.attribute if part.name != "preferred_impl_style")
    return twin
