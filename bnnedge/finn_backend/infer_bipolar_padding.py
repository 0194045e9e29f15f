"""Padding of ±1 with −1 becomes hardware."""

from onnx import NodeProto, helper
from qonnx.core import data_layout
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

from bnnedge.finn_backend.infer_xnor_mvau import DOMAIN, padding_error


class InferBipolarPadding(Transformation):
    """Pad of a BIPOLAR feature map, then Transpose to NHWC: the Transpose, then BipolarFMPadding.

    A Pad of a map with channels last becomes a BipolarFMPadding alone; the other form is what
    LowerConvsToMatMul leaves of a Pad in front of a Conv. FINN's InferFMPadding wants padding with
    0, which ±1 has not.

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
    if any(value is None for value in constants):
        return
    edges = constants[0].astype(int).tolist() if len(constants) < 3 else []
    mode = get_by_name(pad.attribute, "mode")
    constant = mode is None or mode.s == b"constant"
    if not constant or len(edges) != 8 or any(edges[:1] + edges[4:5]):
        return
    value = float(constants[1].reshape(())) if len(constants) > 1 else 0.0
    if model.get_tensor_layout(pad.input[0]) == data_layout.NHWC:
        if not any(edges[3:4] + edges[7:]):
            _check(pad, value)
            sizes = [edges[1], edges[2], edges[5], edges[6]]
            _insert(model, pad, pad.input[0], pad.output[0], sizes)
            model.graph.node.remove(pad)
        return
    readers = model.find_consumers(pad.output[0])
    transpose = readers[0] if len(readers) == 1 and readers[0].op_type == "Transpose" else None
    if transpose is None or any(edges[1:2] + edges[5:6]):
        return
    if list(get_by_name(transpose.attribute, "perm").ints) != [0, 2, 3, 1]:
        return
    _check(pad, value)
    channels, height, width = model.get_tensor_shape(pad.input[0])[1:]
    turned = model.make_new_valueinfo_name()
    model.set_tensor_shape(turned, [1, height, width, channels])
    model.set_tensor_datatype(turned, DataType["BIPOLAR"])
    sizes = [edges[2], edges[3], edges[6], edges[7]]
    _insert(model, transpose, turned, transpose.output[0], sizes)
    transpose.input[0], transpose.output[0] = pad.input[0], turned
    model.graph.node.remove(pad)


def _check(pad: NodeProto, value: float) -> None:
    if value != -1:
        raise padding_error(pad.name, value)


def _insert(model: ModelWrapper, place: NodeProto, x: str, y: str, sizes: list[int]) -> None:
    """A BipolarFMPadding from x to y, with channels last, behind the node `place`."""
    _, height, width, channels = model.get_tensor_shape(x)
    padding = helper.make_node(
        "BipolarFMPadding",
        [x],
        [y],
        domain=DOMAIN,
        backend="fpgadataflow",
        name=f"BipolarFMPadding_{place.name}",
        ImgDim=[height, width],
        Padding=sizes,
        NumChannels=channels,
        SIMD=channels,
        inputDataType="BIPOLAR",
    )
    nodes = model.graph.node
    nodes.insert(list(nodes).index(place) + 1, padding)
