"""Matrix products with weights of few bits become `XnorMVAU`."""

import math
from typing import Any

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.transformation.infer_datatypes import InferDataTypes

from bnnedge.dataflow.nodes.integer_mvu import MOST_MAGNITUDE
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import LoweringError
from bnnedge.finn_backend.ops.base import element_type, magnitude

DOMAIN = "finn.custom_op.fpgadataflow"


class InferXnorMVAU(Transformation):
    """MatMul with weights of few bits, and XnorPopcountMatMul, become XnorMVAU.

    A MultiThreshold behind it is taken in where it is its only reader. It comes before FINN's
    conversion, and in the place of ConvertBipolarMatMulToXnorPopcount, which makes padding with 0 a
    padding with −1 and changes the input of every other reader.

    Raises:
        LoweringError: padding with 0 of ±1, or a MultiThreshold whose levels hardware cannot give.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert what can be converted."""
        found = [node for node in model.graph.node if _has_bits(model, node)]
        for node in found:
            _replace(model, node)
        if found:
            model = model.transform(InferDataTypes())
        return model, False


def _has_bits(model: ModelWrapper, node: NodeProto) -> bool:
    if node.op_type not in ("MatMul", "XnorPopcountMatMul"):
        return False
    if model.get_initializer(node.input[1]) is None:
        return False
    x, weights = (model.get_tensor_datatype(name) for name in node.input)
    element = element_type(x)
    if node.op_type == "XnorPopcountMatMul":
        return weights == DataType["BINARY"] and element is not None
    most = 1 if element == BIPOLAR else MOST_MAGNITUDE
    return element is not None and weights.is_integer() and magnitude(weights) <= most


def _replace(model: ModelWrapper, node: NodeProto) -> None:
    x, weights = node.input
    _refuse_zero_padding(model, node)
    readers = model.find_consumers(node.output[0])
    shown = any(out.name == node.output[0] for out in model.graph.output)
    activation = readers[0] if len(readers) == 1 and not shown else None
    if activation is not None and not _can_take_in(model, activation):
        activation = None
    last = activation or node
    rows, columns = model.get_initializer(weights).shape
    xnor_mode = node.op_type == "XnorPopcountMatMul"
    x_type = model.get_tensor_datatype(x)
    thresholds: list[str] = []
    bias = 0
    if activation is not None:
        thresholds = [activation.input[1]]
        bias = act_val(model, activation)
        out_type = model.get_tensor_datatype(activation.output[0])
    elif xnor_mode:
        out_type = DataType[f"UINT{rows.bit_length()}"]
    else:
        element = element_type(x_type)
        assert element is not None  # `_has_bits` saw to it
        reach = rows * magnitude(model.get_tensor_datatype(weights))
        limit = reach * max(-element.least, element.most)
        out_type = DataType[f"INT{limit.bit_length() + 1}"]
    mvau = helper.make_node(
        "XnorMVAU",
        [x, weights, *thresholds],
        [last.output[0]],
        domain=DOMAIN,
        backend="fpgadataflow",
        name=f"XnorMVAU_{node.name}",
        MW=rows,
        MH=columns,
        SIMD=1,
        PE=1,
        inputDataType=x_type.name,
        weightDataType=model.get_tensor_datatype(weights).name,
        outputDataType=out_type.name,
        ActVal=bias,
        binaryXnorMode=int(xnor_mode),
        noActivation=int(activation is None),
        numInputVectors=list(model.get_tensor_shape(x)[:-1]),
    )
    model.graph.node.insert(list(model.graph.node).index(last), mvau)
    for gone in filter(None, (node, activation)):
        model.graph.node.remove(gone)
    model.set_tensor_datatype(mvau.output[0], out_type)


def _can_take_in(model: ModelWrapper, node: NodeProto) -> bool:
    if node.op_type != "MultiThreshold" or model.get_initializer(node.input[1]) is None:
        return False
    # Thresholds go with channels, which an XnorMVAU has last.
    layout = getCustomOp(node).get_nodeattr("data_layout")
    shape = model.get_tensor_shape(node.input[0])
    return len(shape) == 2 or layout == "NHWC"


def act_val(model: ModelWrapper, node: NodeProto) -> int:
    """What FINN calls ActVal: the least level, and 0 for one bit."""
    instance = getCustomOp(node)
    scale, bias = (float(instance.get_nodeattr(key)) for key in ("out_scale", "out_bias"))
    out_type = model.get_tensor_datatype(node.output[0])
    if out_type == DataType["BIPOLAR"]:
        if (scale, bias) == (2, -1):
            return 0
    elif scale == 1 and bias == math.floor(bias) and out_type.is_integer():
        return int(bias)
    raise LoweringError(
        f"{node.name}: wanted levels -1 and 1, or integers one apart,"
        f" got {bias:g} + {scale:g}·n as {out_type.name}",
        remedy="streamline the graph, so that scales leave the MultiThreshold",
    )


def padding_error(name: str, value: float) -> LoweringError:
    """Node `name` pads ±1 with `value`."""
    return LoweringError(
        f"{name}: padding of ±1 with {value:g}: one bit has no 0, and FINN's padding is -1",
        remedy="train with ConstantPad2d(…, -1.0), or lower with bnnedge.lower, which pads exactly",
    )


def _refuse_zero_padding(model: ModelWrapper, node: NodeProto) -> None:
    """±1 has no 0: FINN pads with the bit 0, which is −1."""
    window = model.find_producer(node.input[0])
    if window is None or window.op_type != "Im2Col":
        return
    instance: Any = getCustomOp(window)
    padded = np.any(instance.get_nodeattr("pad_amount"))
    one_bit = model.get_tensor_datatype(window.input[0]).bitwidth() == 1
    if padded and one_bit:
        raise padding_error(window.name, instance.get_nodeattr("pad_value"))
