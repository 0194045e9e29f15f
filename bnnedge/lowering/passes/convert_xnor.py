"""XnorPopcountMatMul → MatMul by ±1 and a constant, so that every layer has one form.

popcount(x XNOR w) = Σ x·(2w − 1) + MW − Σ w for x, w in {0, 1}.
"""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.errors import LoweringError
from bnnedge.lowering.passes.edit import Inserter, index_of, take_output
from bnnedge.lowering.vocabulary import called


class ConvertXnor(Transformation):  # type: ignore[misc]
    """Integers only: exact."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in [n for n in model.graph.node if n.op_type == "XnorPopcountMatMul"]:
            weights = model.get_initializer(node.input[1])
            if not np.isin(weights, (0, 1)).all():
                raise LoweringError(
                    f"{called(node)}: wanted weights 0 and 1",
                    remedy="store bits: 1 stands for +1, 0 for -1",
                )
            inserter = Inserter(model, index_of(model, node) + 1)
            product, popcount = take_output(inserter, model, node)
            ones = (len(weights) - weights.sum(axis=0)).astype(np.float32)
            inserter.node(
                "Add", [product, inserter.constant(ones)], popcount, f"{node.name}_correct"
            )
            node.op_type, node.domain = "MatMul", ""
            node.input[1] = inserter.constant((2 * weights - 1).astype(np.float32))
        return model, False
