"""Datatypes of weights, accumulators and thresholds, by what they can be.

Replaces MinimizeAccumulatorWidth, which takes a popcount's range as [−MW, MW] halved and so clips
thresholds (INT10 for 784 synapses), and InferDataTypes' UINT32 for every popcount.
"""

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class AnnotateIntegers(Transformation):  # type: ignore[misc]
    """Annotates MatMul and XnorPopcountMatMul by constants and the MultiThreshold behind them."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in model.graph.node:
            if node.op_type not in ("MatMul", "XnorPopcountMatMul"):
                continue
            weights = model.get_initializer(node.input[1])
            synapses = len(weights)
            if node.op_type == "MatMul":
                inputs = model.get_tensor_datatype(node.input[0])
                if not inputs.is_integer():  # a sum behind a layer whose type nobody wrote down
                    continue
                largest = max(-inputs.min(), inputs.max())
                limit = -synapses * int(largest) - 1
                kinds = "BIPOLAR", DataType.get_smallest_possible(limit)
            else:
                kinds = "BINARY", DataType.get_smallest_possible(synapses)
            model.set_tensor_datatype(node.input[1], DataType[kinds[0]])
            model.set_tensor_datatype(node.output[0], kinds[1])
            for after in model.find_consumers(node.output[0]) or []:
                signs = model.get_initializer(after.input[1]) if after.op_type == "Mul" else None
                if signs is not None and (np.abs(signs) == 1).all():
                    model.set_tensor_datatype(after.output[0], kinds[1])
                    after = model.find_consumer(after.output[0]) or after
                if after.op_type == "MultiThreshold":
                    rows = model.get_initializer(after.input[1])
                    extreme = rows.min() if rows.min() < 0 else rows.max()
                    span = -max(abs(rows.min()), rows.max()) - 1 if rows.min() < 0 else extreme
                    model.set_tensor_datatype(
                        after.input[1], DataType.get_smallest_possible(float(span))
                    )
        return model, False
