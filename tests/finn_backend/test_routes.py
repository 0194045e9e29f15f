"""Two ways to FINN's hardware nodes give the same ones: the Dataflow's graph, and streamlining."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from finn.core.onnx_exec import execute_onnx
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.cleanup import cleanup_model

from bnnedge.finn_backend.steps import step_convert_bits_to_hw, step_streamline_bits
from bnnedge.lowering import LoweringConfig, lower_model
from tests.finn_backend.networks import conv_net, mlp

HOST = {"Flatten", "MultiThreshold", "Reshape", "Transpose", "Mul", "Add", "Identity"}


def streamlined(path: Path) -> ModelWrapper:
    """By FINN's own passes, with ours where a stock one goes wrong."""
    model = cleanup_model(ModelWrapper(str(path))).transform(ConvertQONNXtoFINN())
    model = step_streamline_bits(cleanup_model(model).transform(InferDataTypes()), None)
    return step_convert_bits_to_hw(model, None)


def layer(model: ModelWrapper, node: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weight bits, and thresholds on popcounts, whether the node has BINARY or BIPOLAR inputs."""
    weights, *thresholds = (model.get_initializer(name) for name in node.input[1:])
    rows = thresholds[0] if thresholds else np.zeros((0, 1))
    if getCustomOp(node).get_nodeattr("inputDataType") == "BIPOLAR":
        rows = (rows + len(weights)) / 2
    return weights > 0, np.clip(np.ceil(rows), 0, len(weights) + 1)


@pytest.mark.parametrize(
    ("name", "shape", "layers"), [("mlp", (16,), 3), ("conv_net", (2, 6, 6), 3)]
)
def test_both_ways_give_the_same_hardware_nodes(
    tmp_path: Path, name: str, shape: tuple[int, ...], layers: int
) -> None:
    network = mlp((16, 12, 8, 4)) if name == "mlp" else conv_net()
    path = tmp_path / "network.onnx"
    export_qonnx(network.eval(), torch.zeros(1, *shape), str(path))
    lowered = lower_model(path, LoweringConfig(check_images=16))

    written = step_convert_bits_to_hw(lowered.graph, None)
    route = streamlined(path)

    first, second = (
        [node.op_type for node in model.graph.node if node.op_type not in HOST]
        for model in (written, route)
    )
    assert first == second and first.count("XnorMVAU") == layers
    pairs = zip(*(m.get_nodes_by_op_type("XnorMVAU") for m in (written, route)), strict=True)
    for ours, theirs in pairs:
        for one, other in zip(layer(written, ours), layer(route, theirs), strict=True):
            assert np.array_equal(one, other), ours.name
    source, result = written.graph.input[0].name, written.graph.output[0].name
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    got = [execute_onnx(written, {source: image[None]})[result].reshape(-1) for image in x]
    assert np.array_equal(got, lowered.dataflow.logits(x))
