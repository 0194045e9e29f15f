"""A flattened feature map stays as it is, and the weights behind it are reordered."""

from typing import Any

import numpy as np
from onnx import NodeProto
from qonnx.core import data_layout
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name


class AbsorbFlatten(Transformation):
    """Transpose to NCHW, then Flatten or Reshape to a vector, then XnorMVAU: the XnorMVAU alone.

    Without a Transpose, channels being last, the weights stay as they are. FINN's
    RemoveCNVtoFCFlatten does so for its own MVAU.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Remove both nodes wherever they are."""
        for node in list(model.graph.node):
            if node.op_type == "XnorMVAU":
                _absorb(model, node)
        return model, False


def _absorb(model: ModelWrapper, mvau: NodeProto) -> None:
    flatten = model.find_producer(mvau.input[0])
    if flatten is None or flatten.op_type not in ("Flatten", "Reshape"):
        return
    transpose = model.find_producer(flatten.input[0])
    if model.get_tensor_layout(flatten.input[0]) == data_layout.NHWC:
        if len(model.get_tensor_shape(flatten.output[0])) == 2:
            mvau.input[0] = flatten.input[0]
            _remove(model, flatten)
        return
    if transpose is None or transpose.op_type != "Transpose":
        return
    batch, height, width, channels = model.get_tensor_shape(transpose.input[0])
    vector = [batch, height * width * channels]
    perm = list(get_by_name(transpose.attribute, "perm").ints)
    if perm != [0, 3, 1, 2] or list(model.get_tensor_shape(flatten.output[0])) != vector:
        return
    instance: Any = getCustomOp(mvau)
    weights = model.get_initializer(mvau.input[1])
    rows = weights.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
    datatype = model.get_tensor_datatype(mvau.input[1])
    mvau.input[1] = model.make_new_valueinfo_name()  # others may read the old one
    model.set_initializer(
        mvau.input[1], np.ascontiguousarray(rows.reshape(instance.get_nodeattr("MW"), -1))
    )
    model.set_tensor_datatype(mvau.input[1], datatype)
    mvau.input[0] = transpose.input[0]
    _remove(model, flatten, transpose)


def _remove(model: ModelWrapper, *nodes: NodeProto) -> None:
    """Each that nothing reads."""
    for node in nodes:
        if not model.find_consumers(node.output[0]):
            model.graph.node.remove(node)
