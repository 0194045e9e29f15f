"""A graph input that is annotated BIPOLAR or BINARY, and enters a layer as it is → a binariser.

FINN's partitions start at bits. The binariser changes nothing for the values that the annotation
allows.
"""

import numpy as np
import onnx
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.lowering.passes.edit import Inserter

DECLARED_INPUT = "declared_input"
_DECLARED = {"BIPOLAR": (0.0, 2.0, -1.0), "BINARY": (0.5, 1.0, 0.0)}


def binarise_input(model: onnx.ModelProto) -> None:
    """Threshold, scale and bias of the binariser are those of `_DECLARED`."""
    wrapper = ModelWrapper(model, fix_missing_initializer_valueinfo=False)
    source = wrapper.graph.input[0].name
    kind = str(wrapper.get_tensor_datatype(source))
    if kind not in _DECLARED:
        return
    threshold, scale, bias = _DECLARED[kind]
    inserter = Inserter(wrapper, 0)
    readers = wrapper.find_consumers(source) or []
    bits = inserter.tensor(list(wrapper.get_tensor_shape(source)))
    for node in readers:
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
