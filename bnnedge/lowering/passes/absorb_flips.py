"""MatMul or Conv, Mul by ±1 → the same with flipped output channels.

What FINN's Absorb1BitMulIntoMatMul does, which asks Python about every single weight: 28 s for
LFC's three million, against milliseconds.
"""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class AbsorbFlips(Transformation):  # type: ignore[misc]
    """Exact: signs only."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in [n for n in model.graph.node if n.op_type in ("MatMul", "Conv")]:
            after = model.find_consumer(node.output[0])
            if after is None or after.op_type != "Mul":
                continue
            signs = model.get_initializer(after.input[1])
            if signs is None or not (np.abs(signs) == 1).all():
                continue
            shape = (-1, 1, 1, 1) if node.op_type == "Conv" else (1, -1)
            weights = model.get_initializer(node.input[1])
            model.set_initializer(node.input[1], weights * signs.reshape(shape))
            node.output[0] = after.output[0]
            model.graph.node.remove(after)
        return model, False
