"""MultiThresholds of integers become FINN's Thresholding, ±1 outputs among them."""

import numpy as np
from finn.transformation.fpgadataflow.convert_to_hw.thresholding import nchw_to_nhwc
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from bnnedge.finn_backend.infer_xnor_mvau import DOMAIN, act_val
from bnnedge.finn_backend.ops.base import element_type


class InferIntegerThresholding(Transformation):
    """Every MultiThreshold of integers or ±1 becomes a Thresholding.

    FINN's InferThresholdingLayer refuses the scale 2 of ±1 outputs, and takes real numbers into the
    hardware, where it can; these stay with the host.

    Raises:
        LoweringError: a MultiThreshold whose levels hardware cannot give.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert what can be converted."""
        for node in list(model.graph.node):
            if node.op_type == "MultiThreshold" and _is_integer(model, node):
                _replace(model, node)
        return model, False


def _is_integer(model: ModelWrapper, node: NodeProto) -> bool:
    constant = model.get_initializer(node.input[1]) is not None
    return constant and element_type(model.get_tensor_datatype(node.input[0])) is not None


def _replace(model: ModelWrapper, node: NodeProto) -> None:
    x, thresholds = node.input
    out = node.output[0]
    nodes = model.graph.node
    index = list(nodes).index(node)
    bias = act_val(model, node)
    if getCustomOp(node).get_nodeattr("data_layout") == "NCHW" and (
        len(model.get_tensor_shape(x)) == 4
    ):
        x = nchw_to_nhwc(x, model, index)
        out = nchw_to_nhwc(out, model, index + 1, reverse=True)
        index += 1
    shape = model.get_tensor_shape(x)
    threshold_type = model.get_tensor_datatype(thresholds)
    rows = model.get_initializer(thresholds)
    if len(rows) == 1:  # a row for each channel, whoever wrote the graph
        thresholds = model.make_new_valueinfo_name()
        model.set_initializer(thresholds, np.repeat(rows, shape[-1], axis=0))
        model.set_tensor_datatype(thresholds, threshold_type)
    thresholding = helper.make_node(
        "Thresholding",
        [x, thresholds],
        [out],
        domain=DOMAIN,
        backend="fpgadataflow",
        name=f"Thresholding_{node.name}",
        NumChannels=int(shape[-1]),
        PE=1,
        numSteps=model.get_tensor_shape(thresholds)[1],
        inputDataType=model.get_tensor_datatype(x).name,
        weightDataType=threshold_type.name,
        outputDataType=model.get_tensor_datatype(node.output[0]).name,
        numInputVectors=list(shape[:-1]),
        ActVal=bias,
    )
    nodes.insert(index, thresholding)
    nodes.remove(node)
