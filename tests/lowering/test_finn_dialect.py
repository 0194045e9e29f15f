"""FINN-ONNX: MultiThreshold, XnorPopcountMatMul, annotations, TopK, layouts."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.insert_topk import InsertTopK

from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar, execute

BIPOLAR = {"out_dtype": "BIPOLAR", "out_scale": 2.0, "out_bias": -1.0}
BINARY = {"out_dtype": "BINARY", "out_scale": 1.0, "out_bias": 0.0}
SCALED = {"out_dtype": "BINARY", "out_scale": 0.5, "out_bias": 0.0}
FLIPPED = {"out_dtype": "BIPOLAR", "out_scale": -2.0, "out_bias": 1.0}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.integers(1, 20), min_size=3, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([BIPOLAR, BINARY, SCALED, FLIPPED]),
    global_threshold=st.booleans(),
)
def test_streamlined_graphs(
    sizes: list[int], seed: int, levels: dict[str, object], global_threshold: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    graph = Graph((1, 1, 1, sizes[0]))
    graph.add("Flatten", axis=1)
    graph.add("Mul", np.float32(1 / 255))
    graph.add("MultiThreshold", rng.uniform(0, 1, (1, 1)), **levels)
    for index, (width, height) in enumerate(itertools.pairwise(sizes)):
        graph.add("MatMul", bipolar(rng, width, height))
        if index < len(sizes) - 2:
            rows = 1 if global_threshold else height
            bound = width * max(1, abs(levels["out_scale"]))  # type: ignore[call-overload]
            thresholds = rng.uniform(-bound - 2, bound + 2, (rows, 1)).round(1)
            graph.add("MultiThreshold", thresholds, **levels)
    graph.add("Mul", rng.uniform(0.1, 1, sizes[-1]))
    graph.add("Add", rng.standard_normal(sizes[-1]))
    path = graph.save(tmp_path / "finn.onnx")
    lowered = lower_model(path, LoweringConfig())
    x = rng.integers(0, 256, (4, 1, 1, sizes[0])).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("per_channel", [False, True])
def test_topk_ends_in_classes(tmp_path: Path, per_channel: bool, k: int) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 16))
    graph.add("MultiThreshold", np.float32([[0]]), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, 16, 10))
    graph.add("Mul", rng.uniform(0.1, 1, 10) if per_channel else np.float32(0.06))
    model = ModelWrapper(graph.model()).transform(InferShapes()).transform(InsertTopK(k=k))
    path = tmp_path / "topk.onnx"
    model.save(str(path))
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = rng.choice(np.float32([-1, 1]), (32, 16))
    classes = execute(path, x).reshape(32, k)
    assert dataflow.output.classes
    assert np.array_equal(dataflow.run(x), classes[:, 0] if k == 1 else classes)
    assert np.array_equal(dataflow.results_of(dataflow.encode(x)), classes)
    before = ["ScoreTable"] if per_channel else []
    kinds = [type(node).__name__ for node in dataflow.nodes]
    assert kinds == ["XnorMvu", *before, "ArgMax"]


def test_xnor_popcount_matmul(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    graph = Graph((1, 14))
    graph.add("MultiThreshold", np.float32([[0.5]]), **BINARY)
    graph.add("XnorPopcountMatMul", rng.integers(0, 2, (14, 6)).astype(np.float32))
    graph.add("MultiThreshold", rng.integers(0, 16, (6, 1)).astype(np.float32), **BINARY)
    graph.add("XnorPopcountMatMul", rng.integers(0, 2, (6, 3)).astype(np.float32))
    graph.add("Mul", np.float32(2))
    graph.add("Add", np.float32(-6))
    path = graph.save(tmp_path / "xnor.onnx")
    model = ModelWrapper(str(path))
    for tensor in ("t0", "c1", "t2", "c3"):
        model.set_tensor_datatype(tensor, DataType["BINARY"])
    model.save(str(path))
    lowered = lower_model(path, LoweringConfig())
    x = rng.integers(0, 2, (12, 14)).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


def test_lowered_graph_is_a_fixed_point(tmp_path: Path) -> None:
    """What we write for FINN is the dialect that we read: lowering it again changes nothing."""
    rng = np.random.default_rng(2)
    graph = Graph((1, 1, 3, 4))
    graph.add("Flatten")
    graph.add("Mul", rng.choice(np.float32([-1, 1]), 12))
    graph.add("MultiThreshold", rng.standard_normal((12, 1)), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, 12, 7))
    graph.add("Mul", rng.choice(np.float32([-1, 1]), 7))
    graph.add("MultiThreshold", rng.integers(-9, 9, (7, 1)).astype(np.float32), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, 7, 4))
    first = lower_model(graph.save(tmp_path / "a.onnx"), LoweringConfig())
    first.graph.save(str(tmp_path / "b.onnx"))
    second = lower_model(tmp_path / "b.onnx", LoweringConfig())
    x = rng.normal(0, 1, (40, 1, 3, 4)).astype(np.float32)
    assert np.array_equal(first.dataflow.logits(x), second.dataflow.logits(x))
    assert np.array_equal(first.dataflow.input.threshold, second.dataflow.input.threshold)
    assert first.dataflow.mvus[0].invert is not None and first.dataflow.mvus[0].invert.any()
    assert second.dataflow.mvus[0].invert is not None and not second.dataflow.mvus[0].invert.any()


def test_transposed_input_keeps_its_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    graph = Graph((1, 2, 3, 4))
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("MultiThreshold", np.float32([[0.25]]), data_layout="NHWC", **BIPOLAR)
    graph.add("Reshape", np.array([1, 24], np.int64))
    graph.add("MatMul", bipolar(rng, 24, 5))
    path = graph.save(tmp_path / "nhwc.onnx")
    lowered = lower_model(path, LoweringConfig())
    x = rng.normal(0, 1, (6, 2, 3, 4)).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    expected = np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).reshape(-1)
    assert np.array_equal(lowered.dataflow.input.source, expected)


@pytest.mark.parametrize("datatype", ["BIPOLAR", "BINARY"])
def test_input_that_is_declared_binary(tmp_path: Path, datatype: str) -> None:
    """FINN's partitions start at bits: no binariser, only an annotation."""
    rng = np.random.default_rng(4)
    graph = Graph((1, 9))
    graph.add("MatMul", bipolar(rng, 9, 5))
    graph.add("MultiThreshold", np.float32([[0.5]]), **BIPOLAR)
    graph.add("MatMul", bipolar(rng, 5, 3))
    path = graph.save(tmp_path / "bits.onnx")
    model = ModelWrapper(str(path))
    model.set_tensor_datatype("x", DataType[datatype])
    model.save(str(path))
    lowered = lower_model(path, LoweringConfig())
    levels = [-1, 1] if datatype == "BIPOLAR" else [0, 1]
    x = rng.choice(np.float32(levels), (20, 9))
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    assert "declared" in lowered.facts["remarks"][0]
