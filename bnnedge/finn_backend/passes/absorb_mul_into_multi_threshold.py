"""Scales in front of thresholds, those of 0 among them."""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class AbsorbMulIntoMultiThreshold(Transformation):
    """Mul by constants that are not negative, then MultiThreshold: the MultiThreshold alone.

    FINN's divides by the scales, also by 0: what comes out of 0 / 0 is no number, which no input
    reaches. 0·x >= t does not depend on x: here the threshold is −inf where t <= 0, else inf.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Absorb every Mul by a scalar, or by a number in each channel, that nothing else reads."""
        for node in list(model.graph.node):
            scales = model.get_initializer(node.input[1]) if node.op_type == "Mul" else None
            readers = model.find_consumers(node.output[0])
            if scales is None or len(readers) != 1 or readers[0].op_type != "MultiThreshold":
                continue
            if (scales < 0).any() or sum(size > 1 for size in scales.shape) > 1:
                continue
            name = readers[0].input[1]
            rows, column = model.get_initializer(name), scales.reshape(-1, 1)
            never = np.where(rows <= 0, np.float32(-np.inf), np.float32(np.inf))
            model.set_initializer(
                name, np.where(column == 0, never, rows / np.where(column == 0, 1, column))
            )
            readers[0].input[0] = node.input[0]
            model.graph.node.remove(node)
        return model, False
