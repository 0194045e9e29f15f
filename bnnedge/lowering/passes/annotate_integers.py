"""Datatypes of weights, accumulators and thresholds of a MatMul that was a Conv.

Replaces MinimizeAccumulatorWidth, which takes a popcount's range as [−MW, MW] halved and so clips
thresholds (INT10 for 784 synapses), and InferDataTypes' UINT32 for every popcount.
"""

from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation


class AnnotateIntegers(Transformation):  # type: ignore[misc]
    """Annotates MatMul by constants, and the MultiThreshold behind it."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in model.graph.node:
            inputs = model.get_tensor_datatype(node.input[0])
            # A sum behind a layer may have a type that nobody wrote down.
            if node.op_type != "MatMul" or not inputs.is_integer():
                continue
            synapses = len(model.get_initializer(node.input[1]))
            limit = -synapses * int(max(-inputs.min(), inputs.max())) - 1
            model.set_tensor_datatype(node.input[1], DataType["BIPOLAR"])
            model.set_tensor_datatype(node.output[0], DataType.get_smallest_possible(limit))
            for after in model.find_consumers(node.output[0]) or []:
                if after.op_type == "MultiThreshold":
                    rows = model.get_initializer(after.input[1])
                    span = min(float(rows.min()), -float(rows.max()) - 1)
                    kind = DataType.get_smallest_possible(span)
                    model.set_tensor_datatype(after.input[1], kind)
        return model, False
