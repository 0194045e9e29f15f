"""Padding of ±1 with −1 becomes hardware."""

from onnx import NodeProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

from bnnedge.finn_backend.infer_xnor_mvau import DOMAIN, padding_error


class InferBipolarPadding(Transformation):
    """Pad of a BIPOLAR feature map, then Transpose to NHWC: the Transpose, then BipolarFMPadding.

    This is what LowerConvsToMatMul leaves of a Pad in front of a Conv. FINN's InferFMPadding wants
    padding with 0, which ±1 has not.

    Raises:
        LoweringError: padding of ±1 with anything but −1.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert what can be converted."""
        for node in list(model.graph.node):
            bipolar = model.get_tensor_datatype(node.input[0]) == DataType["BIPOLAR"]
            if node.op_type == "Pad" and bipolar:
                _replace(model, node)
        return model, False


def _replace(model: ModelWrapper, pad: NodeProto) -> None:
    constants = [model.get_initializer(name) for name in pad.input[1:] if name]
    readers = model.find_consumers(pad.output[0])
    transpose = readers[0] if len(readers) == 1 and readers[0].op_type == "Transpose" else None
    if transpose is None or any(value is None for value in constants):
        return
    perm = list(get_by_name(transpose.attribute, "perm").ints)
    edges = constants[0].astype(int).tolist() if len(constants) < 3 else []
    mode = get_by_name(pad.attribute, "mode")
    constant = mode is None or mode.s == b"constant"
    if perm != [0, 2, 3, 1] or not constant or len(edges) != 8 or any(edges[:2] + edges[4:6]):
        return
    value = float(constants[1].reshape(())) if len(constants) > 1 else 0.0
    if value != -1:
        raise padding_error(pad.name, value)
    channels, height, width = model.get_tensor_shape(pad.input[0])[1:]
    turned = model.make_new_valueinfo_name()
    model.set_tensor_shape(turned, [1, height, width, channels])
    model.set_tensor_datatype(turned, DataType["BIPOLAR"])
    padding = helper.make_node(
        "BipolarFMPadding",
        [turned],
        [transpose.output[0]],
        domain=DOMAIN,
        backend="fpgadataflow",
        name=f"BipolarFMPadding_{pad.name}",
        ImgDim=[height, width],
        Padding=[edges[2], edges[3], edges[6], edges[7]],
        NumChannels=channels,
        SIMD=channels,
        inputDataType="BIPOLAR",
    )
    transpose.input[0], transpose.output[0] = pad.input[0], turned
    nodes = model.graph.node
    nodes.insert(list(nodes).index(transpose) + 1, padding)
    nodes.remove(pad)
