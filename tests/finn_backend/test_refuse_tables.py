"""FINN has no hardware for tables: one line says so."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.errors import DesignError
from bnnedge.finn_backend.refuse_tables import RefuseTables
from bnnedge.names import CUSTOM_OPS


def test_tables_are_refused() -> None:
    node = helper.make_node("LutLayer", ["x", "w", "t"], ["y"], name="lut_0", domain=CUSTOM_OPS)
    arrays = {"w": np.zeros((3, 2), np.int32), "t": np.zeros((3, 4), np.uint8)}
    graph = helper.make_graph(
        [node],
        "tables",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = ModelWrapper(helper.make_model(graph))
    with pytest.raises(DesignError, match=r"lut_0 \(LutLayer\): FINN has no such op"):
        model.transform(RefuseTables())
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Identity", ["x"], ["y"]))
    assert isinstance(model.transform(RefuseTables()).model, onnx.ModelProto)
