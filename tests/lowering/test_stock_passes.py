"""Why some of FINN's own passes are not in the recipe: each goes wrong here, and ours does not."""

from pathlib import Path

import numpy as np
import pytest
from finn.transformation.fpgadataflow.convert_to_hw.binary_matrix_vector_activation import (
    InferBinaryMatrixVectorActivation,
)
from finn.transformation.fpgadataflow.convert_to_hw.thresholding import InferThresholdingLayer
from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from finn.transformation.streamline import Streamline
from finn.transformation.streamline.absorb import Absorb1BitMulIntoMatMul
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from finn.transformation.streamline.sign_to_thres import ConvertSignToThres
from finn.util.exception import FINNUserError
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount
from qonnx.transformation.gemm_to_matmul import GemmToMatMul
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.basic import qonnx_make_model

from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, SignZero, lower_model
from tests.lowering.graphs import Graph, bipolar, execute

BIPOLAR = {"out_dtype": "BIPOLAR", "out_scale": 2.0, "out_bias": -1.0}
ONE = np.float32([1])
FPGA = {"domain": "finn.custom_op.fpgadataflow", "backend": "fpgadataflow"}


def _popcount_graph(op: str) -> ModelWrapper:
    """784 synapses, thresholds up to 784: as an MVAU (FINN's) or an XnorPopcountMatMul."""
    rng = np.random.default_rng(0)
    attributes = {
        **{"MW": 784, "MH": 4, "SIMD": 1, "PE": 1, "binaryXnorMode": 1, "noActivation": 1},
        **{"inputDataType": "BINARY", "weightDataType": "BINARY", "outputDataType": "UINT32"},
        "numInputVectors": [1],
    }
    matmul = (
        helper.make_node("MVAU", ["x", "w"], ["p"], **FPGA, **attributes)
        if op == "MVAU"
        else helper.make_node(op, ["x", "w"], ["p"], domain="qonnx.custom_op.general")
    )
    threshold = helper.make_node(
        "MultiThreshold", ["p", "t"], ["y"], domain="qonnx.custom_op.general", out_dtype="BINARY"
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [matmul, threshold],
        "popcount",
        [value("x", TensorProto.FLOAT, [1, 784])],
        [value("y", TensorProto.FLOAT, [1, 4])],
        value_info=[value("p", TensorProto.FLOAT, [1, 4])],
    )
    model = ModelWrapper(qonnx_make_model(graph))
    model.set_initializer("w", rng.integers(0, 2, (784, 4)).astype(np.float32))
    model.set_initializer("t", np.float32([[100], [600], [530], [784]]))
    for name, kind in (("x", "BINARY"), ("w", "BINARY"), ("p", "UINT32"), ("y", "BINARY")):
        model.set_tensor_datatype(name, DataType[kind])
    return model


def test_popcount_range(tmp_path: Path) -> None:
    stock = _popcount_graph("MVAU").transform(MinimizeAccumulatorWidth())
    assert getCustomOp(stock.graph.node[0]).get_nodeattr("accDataType") == "INT10"
    assert DataType["INT10"].max() < 784

    rng = np.random.default_rng(0)
    graph = Graph((1, 784))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 784, 4))
    graph.add("Sub", np.float32([-600, 415, 275, 783]))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 4, 2))
    ours = lower_model(graph.save(tmp_path / "wide.onnx"), LoweringConfig()).graph
    threshold = ours.get_nodes_by_op_type("MultiThreshold")[-1]
    popcounts, rows = threshold.input
    assert ours.get_tensor_datatype(popcounts) == DataType["UINT10"]
    assert ours.get_tensor_datatype(popcounts).max() >= 784
    assert ours.get_initializer(rows).max() > 511
    kept = ours.transform(RoundAndClipThresholds()).get_initializer(rows)
    assert np.array_equal(kept, ours.get_initializer(rows))

    narrow = _popcount_graph("XnorPopcountMatMul")
    narrow.set_tensor_datatype("p", DataType["INT10"])
    clipped = narrow.transform(RoundAndClipThresholds()).get_initializer("t")
    assert clipped.reshape(-1).tolist() == [100, 512, 512, 512]


def test_mvau_of_bipolars_is_a_popcount() -> None:
    """FINN's Python MVAU gives p, not the dot product 2p − MW, so we hand it XNORs of BINARYs."""
    rng = np.random.default_rng(4)
    attributes = {
        **{"MW": 6, "MH": 3, "SIMD": 1, "PE": 1, "binaryXnorMode": 0, "noActivation": 1},
        **{"inputDataType": "BIPOLAR", "weightDataType": "BIPOLAR", "outputDataType": "INT8"},
        "numInputVectors": [1],
    }
    graph = helper.make_graph(
        [helper.make_node("MVAU", ["x", "w"], ["y"], **FPGA, **attributes)],
        "mvau",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
    )
    model = ModelWrapper(qonnx_make_model(graph))
    weights, x = bipolar(rng, 6, 3), bipolar(rng, 1, 6)
    model.set_initializer("w", weights)
    for name, kind in (("x", "BIPOLAR"), ("w", "BIPOLAR"), ("y", "INT8")):
        model.set_tensor_datatype(name, DataType[kind])
    got = execute_onnx(model, {"x": x})["y"]
    assert np.array_equal(got, (x @ weights + 6) / 2)
    assert not np.array_equal(got, x @ weights)


def _tied_graph(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Every channel c gives exactly 0 at one reachable accumulator; the weights are all +1."""
    rng = np.random.default_rng(1)
    channels, synapses = 64, 61
    tie = rng.choice(np.arange(1, synapses, 2), channels).astype(np.float32)
    scale = rng.uniform(0.01, 3, channels).astype(np.float32)
    graph = Graph((1, synapses))
    graph.add("MultiThreshold", np.float32([[0]]), **BIPOLAR)
    graph.add("MatMul", np.ones((synapses, channels), np.float32))
    graph.add("Mul", scale)
    graph.add("Add", -(tie * scale))
    graph.add("MultiThreshold", np.float32([[0]]), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, channels, 8))
    ones = (synapses + np.arange(1, synapses, 2)) // 2
    x = np.where(np.arange(synapses) < ones[:, None], 1, -1).astype(np.float32)
    return graph.save(tmp_path / "tied.onnx"), x


def test_threshold_folding_rounds(tmp_path: Path) -> None:
    path, x = _tied_graph(tmp_path)
    wanted = execute(path, x)

    model = ModelWrapper(str(path)).transform(InferShapes())
    for name in ("c1", "c5"):
        model.set_tensor_datatype(name, DataType["BIPOLAR"])
    stock = model.transform(InferDataTypes()).transform(Streamline())
    stock = stock.transform(RoundAndClipThresholds())
    out = stock.graph.output[0].name
    got = np.concatenate([execute_onnx(stock, {"x": image[None]})[out] for image in x])
    assert not np.array_equal(got, wanted)

    assert np.array_equal(lower_model(path, LoweringConfig()).dataflow.logits(x), wanted)


def test_sign_of_zero(tmp_path: Path) -> None:
    graph = Graph((1, 4))
    graph.add("Sign")
    graph.add("MatMul", np.ones((4, 2), np.float32))
    path = graph.save(tmp_path / "sign.onnx")
    x = np.float32([[0, 1, 1, -1]])
    model = ModelWrapper(str(path)).transform(InferShapes())
    stock = model.transform(ConvertSignToThres())
    out = model.graph.output[0].name
    assert execute_onnx(model, {"x": x})[out].tolist() == [[1, 1]]
    assert execute_onnx(stock, {"x": x})[out].tolist() == [[2, 2]]  # and nobody was told
    ours = lower_model(path, LoweringConfig(sign_zero=SignZero.MINUS))
    assert ours.dataflow.logits(x).tolist() == [[0, 0]]
    assert "exactly 0 gives Sign" in ours.facts["remarks"][0]


def test_thresholding_layer_refuses_bipolar(tmp_path: Path) -> None:
    """So FINN's hardware wants BINARY, which is what the lowered graph has."""
    path, _ = _tied_graph(tmp_path)
    model = ModelWrapper(str(path)).transform(InferShapes())
    model.set_tensor_datatype("x", DataType["INT8"])
    with pytest.raises(FINNUserError, match="out_scale must be 1"):
        model.transform(InferThresholdingLayer())
    lowered = lower_model(path, LoweringConfig()).graph
    kinds = [
        getCustomOp(node).get_nodeattr("out_dtype")
        for node in lowered.graph.node
        if node.op_type == "MultiThreshold"
    ]
    assert kinds == ["BINARY", "BINARY"]


def test_gemm_factors(tmp_path: Path) -> None:
    graph = Graph((1, 4))
    graph.add("BipolarQuant", ONE)
    graph.add("Gemm", np.ones((4, 2), np.float32), np.float32([1, 2]), alpha=0.5, beta=3.0)
    path = graph.save(tmp_path / "gemm.onnx")
    model = ModelWrapper(str(path)).transform(InferShapes())
    stock = model.transform(GemmToMatMul())
    doubles = [t.name for t in stock.graph.initializer if t.data_type == TensorProto.DOUBLE]
    assert len(doubles) == 2
    x = np.float32([[1, -1, 1, 1]])
    assert lower_model(path, LoweringConfig()).dataflow.logits(x).tolist() == [[4, 7]]


def test_scaled_quantisers(tmp_path: Path) -> None:
    graph = Graph((1, 4))
    graph.add("BipolarQuant", np.float32([0.5]))
    graph.add("MatMul", np.ones((4, 2), np.float32))
    path = graph.save(tmp_path / "scaled.onnx")
    with pytest.raises(ValueError, match="scaling must be 1"):
        ModelWrapper(str(path)).transform(InferShapes()).transform(ConvertQONNXtoFINN())
    x = np.float32([[1, -1, 1, 1]])
    assert lower_model(path, LoweringConfig()).dataflow.logits(x).tolist() == [[1, 1]]


def test_forks_are_rewritten_for_all_consumers(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    graph = Graph((1, 6))
    bits = graph.add("MultiThreshold", np.float32([[0]]), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, 6, 6), name="fc")
    graph.add("Add", bits, name="residual")
    path = graph.save(tmp_path / "fork.onnx")
    model = ModelWrapper(str(path)).transform(InferShapes())
    model.set_tensor_datatype("c1", DataType["BIPOLAR"])
    model = model.transform(InferDataTypes())
    stock = model.transform(ConvertBipolarMatMulToXnorPopcount())
    x = rng.normal(0, 1, (1, 6)).astype(np.float32)
    out = model.graph.output[0].name
    assert not np.array_equal(
        execute_onnx(model, {"x": x})[out], execute_onnx(stock, {"x": x})[out]
    )
    with pytest.raises(LoweringError, match="residual"):
        lower_model(path, LoweringConfig())


def test_inverted_channels_are_flipped_weights_as_finns(tmp_path: Path) -> None:
    """Written so at once: Absorb1BitMulIntoMatMul asks Python about each weight, 28 s for LFC."""
    rng = np.random.default_rng(3)
    weights, signs = bipolar(rng, 6, 5), np.float32([1, -1, -1, 1, -1])
    graph = Graph((1, 6))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", weights)
    graph.add("Mul", signs[None])
    path = graph.save(tmp_path / "flip.onnx")
    model = ModelWrapper(str(path)).transform(InferShapes())
    for name in ("c1", "c2"):
        model.set_tensor_datatype(name, DataType["BIPOLAR"])
    stock = model.transform(Absorb1BitMulIntoMatMul()).get_initializer("c1")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 5, 3))
    ours = lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig()).graph
    layer = ours.get_nodes_by_op_type("XnorPopcountMatMul")[0]
    assert ours.find_consumers(layer.output[0])[0].op_type == "MultiThreshold"
    assert np.array_equal(2 * ours.get_initializer(layer.input[1]) - 1, stock)


def test_lowered_graph_becomes_finns_hardware_layers(tmp_path: Path) -> None:
    """XnorPopcountMatMul and BINARY thresholds fuse into MVAUs, which compute the same logits."""
    path, x = _tied_graph(tmp_path)
    lowered = lower_model(path, LoweringConfig())
    hardware = lowered.graph.transform(InferBinaryMatrixVectorActivation())
    assert [node.op_type for node in hardware.graph.node if node.domain.startswith("finn")] == [
        "MVAU",
        "MVAU",
    ]
    source, out = hardware.graph.input[0].name, hardware.graph.output[0].name
    got = np.concatenate([execute_onnx(hardware, {source: image[None]})[out] for image in x])
    assert np.array_equal(got, lowered.dataflow.logits(x))
