"""A graph input that is annotated BIPOLAR or BINARY, and enters a layer as it is → a binariser.

FINN's partitions start at bits. The binariser changes nothing for the values that the annotation
allows.
"""

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.lowering.passes.edit import Inserter

DECLARED_INPUT = "declared_input"
_DECLARED = {"BIPOLAR": (0.0, 2.0, -1.0), "BINARY": (0.5, 1.0, 0.0)}


class BinariseInput(Transformation):  # type: ignore[misc]
    """Threshold, scale and bias of the binariser are those of `_DECLARED`."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        source = model.graph.input[0].name
        kind = str(model.get_tensor_datatype(source))
        if kind not in _DECLARED:
            return model, False
        threshold, scale, bias = _DECLARED[kind]
        consumers = model.find_consumers(source) or []
        inserter = Inserter(model, 0)
        bits = inserter.tensor(list(model.get_tensor_shape(source)))
        for node in consumers:
            node.input[:] = [bits if name == source else name for name in node.input]
        inserter.node(
            "MultiThreshold",
            [source, inserter.constant(np.array([[threshold]], np.float32))],
            bits,
            DECLARED_INPUT,
            out_dtype=kind,
            out_scale=scale,
            out_bias=bias,
        )
        return model, False
