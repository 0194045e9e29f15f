"""QONNX: BipolarQuant on activations and weights, with and without scales."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import QONNX, Graph, adversarial_norm, bipolar, execute

ONE = np.float32([1])


def _weights(graph: Graph, weights: np.ndarray, scale: np.ndarray) -> str:
    """Append BipolarQuant(latent weights) beside the chain; returns its tensor."""
    here, graph.last = graph.last, graph.constant(weights)
    quantised = graph.add("BipolarQuant", scale)
    graph.last = here
    return quantised


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_batchnorm_is_lowered_exactly(sizes: list[int], seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    graph = Graph((1, 1, sizes[0]))
    graph.add("Reshape", np.array([1, -1], np.int64))
    graph.add("Mul", np.float32(2))
    graph.add("Sub", np.float32(1))
    graph.add("BipolarQuant", ONE)
    for index, (width, height) in enumerate(itertools.pairwise(sizes)):
        latent = rng.uniform(-1, 1, (height, width)).astype(np.float32)
        graph.add("Gemm", _weights(graph, latent, ONE), transB=1)
        if index < len(sizes) - 2:
            adversarial_norm(rng, width, height).append(graph)
            graph.add("BipolarQuant", ONE)
    for op, value in (("Sub", 1.7), ("Div", 5.7), ("Mul", 0.7), ("Add", -0.3)):
        graph.add(op, np.float32([value]))
    path = graph.save(tmp_path / "q.onnx")
    lowered = lower_model(path, LoweringConfig())
    x = rng.uniform(0, 1, (4, 1, sizes[0])).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    assert lowered.facts["lifted"] == []


@pytest.mark.smoke
@pytest.mark.parametrize("weight_scale", [np.float32([0.25]), None])
@pytest.mark.parametrize("activation_scale", [0.5, 0.3])
def test_scales_per_tensor_and_channel(
    tmp_path: Path, weight_scale: np.ndarray | None, activation_scale: float
) -> None:
    rng = np.random.default_rng(1)
    graph = Graph((1, 12))
    graph.add("BipolarQuant", np.float32([activation_scale]))
    for width, height in ((12, 7), (7, 5)):
        channel = rng.uniform(0.1, 2, (height, 1)).astype(np.float32)
        scale = channel if weight_scale is None else weight_scale
        quantised = _weights(graph, rng.uniform(-1, 1, (height, width)), scale)
        graph.add("Gemm", quantised, transB=1)
        if height == 7:
            adversarial_norm(rng, width, height).append(graph)
            graph.add("BipolarQuant", np.float32([activation_scale]))
    lowered = lower_model(graph.save(tmp_path / "s.onnx"), LoweringConfig())
    exact = weight_scale is not None and activation_scale == 0.5
    assert (lowered.facts["lifted"] == []) is exact


def test_thermometer_inside_the_graph(tmp_path: Path) -> None:
    """x (1, F) → (1, F, 1) − thresholds (L,) → BipolarQuant → (1, F·L), as our exporter writes."""
    rng = np.random.default_rng(2)
    levels = np.float32([0.1, 0.25, 0.7])
    graph = Graph((1, 5))
    graph.add("Unsqueeze", np.array([2], np.int64))
    graph.add("Sub", levels)
    graph.add("BipolarQuant", ONE)
    graph.add("Reshape", np.array([-1, 15], np.int64))
    graph.add("MatMul", bipolar(rng, 15, 3))
    path = graph.save(tmp_path / "thermometer.onnx")
    encoding = lower_model(path, LoweringConfig()).dataflow.input
    assert encoding.name == "thermometer"
    assert encoding.source.tolist() == np.repeat(np.arange(5), 3).tolist()
    assert np.array_equal(encoding.threshold, np.tile(levels, 5))
    assert not encoding.invert.any()


def test_inverted_constant_and_rearranged_input_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    graph = Graph((1, 4))
    graph.add("Mul", np.float32([1, -1, 0, 0]))
    graph.add("Add", np.float32([0.5, 0.25, 1, -1]))
    graph.add("Gather", np.array([3, 0, 1, 2, 1], np.int64), axis=1)
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 5, 3))
    path = graph.save(tmp_path / "rearranged.onnx")
    lowered = lower_model(path, LoweringConfig())
    encoding = lowered.dataflow.input
    assert encoding.source.tolist()[1:3] == [0, 1]
    assert encoding.invert.tolist() == [True, False, True, False, True]
    assert encoding.threshold[1] == -0.5
    x = np.concatenate([rng.normal(0, 1, (6, 4)), [[-0.5, 0.25, 0, 0]]]).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


def test_concatenated_binarisers_and_constant_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    graph = Graph((1, 3))
    low = graph.add("BipolarQuant", ONE)
    graph.last = "x"
    graph.add("Sub", np.float32(0.5))
    graph.add("BipolarQuant", ONE)
    graph.add("Concat", low, np.float32([[1, -1]]), axis=1)
    graph.add("MatMul", bipolar(rng, 8, 4))
    path = graph.save(tmp_path / "concat.onnx")
    lowered = lower_model(path, LoweringConfig())
    encoding = lowered.dataflow.input
    assert encoding.threshold.tolist() == [0.5] * 3 + [0] * 3 + [-np.inf] * 2
    assert encoding.invert.tolist() == [False] * 7 + [True]
    x = rng.normal(0, 1, (5, 3)).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


def test_domain_alias_of_old_brevitas(tmp_path: Path) -> None:
    graph = Graph((1, 3))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", np.ones((3, 2), np.float32))
    graph.nodes[0].domain = "onnx.brevitas"
    assert graph.nodes[0].domain != QONNX
    assert lower_model(graph.save(tmp_path / "old.onnx"), LoweringConfig()).dataflow.mvus[0].mw == 3
