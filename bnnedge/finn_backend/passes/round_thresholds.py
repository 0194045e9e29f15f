"""Thresholds of integers are integers that a sum can reach, or the next one."""

from typing import Any

import numpy as np
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation


class RoundThresholds(Transformation):
    """Thresholds of XnorMVAU and Thresholding nodes, rounded up and clipped to what can occur.

    In the place of FINN's RoundAndClipThresholds, which clips them to the accumulator's type; that
    is INT10 for 784 synapses of one bit, and does not hold 784 (MinimizeAccumulatorWidth). Here the
    range is that of the sum: [−MW·a, MW·a] for inputs up to a, and [0, MW] in binaryXnorMode; a sum
    of an even number of ±1 is even, and one of an odd number odd. A threshold beyond it stands one
    step above it.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Round the thresholds of every node."""
        for node in model.graph.node:
            if node.op_type == "XnorMVAU" and len(node.input) > 2:
                _round(model, node.input[2], *_sums(node))
            elif node.op_type == "Thresholding":
                instance = getCustomOp(node)
                kind = DataType[instance.get_nodeattr("inputDataType")]
                if kind.is_integer():
                    rows = _round(model, node.input[1], int(kind.min()), int(kind.max()), 1)
                    instance.set_nodeattr("weightDataType", rows.name)
        return model, False


def _sums(node: NodeProto) -> tuple[int, int, int]:
    """Least and largest sum of an XnorMVAU, and the step from one to the next."""
    instance: Any = getCustomOp(node)
    synapses = int(instance.get_nodeattr("MW"))
    kind = DataType[instance.get_nodeattr("inputDataType")]
    if instance.get_nodeattr("binaryXnorMode"):
        return 0, synapses, 1
    limit = synapses * int(max(-kind.min(), kind.max()))
    return -limit, limit, 2 if kind == DataType["BIPOLAR"] else 1


def _round(model: ModelWrapper, name: str, low: int, high: int, step: int) -> Any:
    rows = np.clip(model.get_initializer(name).astype(np.float64), low, high + step)
    rows = low + step * np.ceil((rows - low) / step)
    least, most = int(rows.min()), int(rows.max())
    kind = DataType.get_smallest_possible(most if least >= 0 else min(least, -most - 1))
    model.set_initializer(name, rows.astype(np.float32))
    model.set_tensor_datatype(name, kind)
    return kind
