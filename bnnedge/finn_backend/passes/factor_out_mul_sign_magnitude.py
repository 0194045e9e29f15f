"""Signs of scales, apart from their magnitudes."""

import numpy as np
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class FactorOutMulSignMagnitude(Transformation):
    """Mul by a constant with negative numbers: Mul by their signs, ±1, then by their magnitudes.

    FINN's takes numpy.sign, which is 0 for 0, and calls that BIPOLAR: where a BatchNormalization
    has a scale of 0, no pass behind it can absorb the signs. Here the sign of 0 is +1.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Factor every Mul by a scalar, or by a number in each channel."""
        nodes = model.graph.node
        for node in list(nodes):
            scales = model.get_initializer(node.input[1]) if node.op_type == "Mul" else None
            if scales is None or sum(size > 1 for size in scales.shape) > 1:
                continue
            if model.get_tensor_datatype(node.input[1]) == DataType["BIPOLAR"]:
                continue
            if not (scales < 0).any():
                continue
            signs, middle = model.make_new_valueinfo_name(), model.make_new_valueinfo_name()
            model.set_initializer(signs, np.where(scales < 0, np.float32(-1), np.float32(1)))
            model.set_tensor_datatype(signs, DataType["BIPOLAR"])
            model.set_tensor_shape(middle, model.get_tensor_shape(node.input[0]))
            model.set_initializer(node.input[1], np.abs(scales))
            flip = helper.make_node("Mul", [node.input[0], signs], [middle])
            nodes.insert(list(nodes).index(node), flip)
            node.input[0] = middle
        return model, False
