"""Scales that are no power of two or 0, where the float arithmetic still says what is meant."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import IntegerMvu, MultiThreshold, SumPool
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.stimuli import adversarial_inputs
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

ONE, ZERO = np.float32([1]), np.float32(0)


def _quantise(graph: Graph, scale: float, bits: int = 2, *, signed: int = 0) -> None:
    graph.add("Quant", np.float32(scale), ZERO, np.float32(bits), signed=signed, narrow=0)


@pytest.mark.parametrize("seed", range(4))
def test_dead_channels_are_constants(tmp_path: Path, seed: int) -> None:
    """Of a scale of 0 that was folded into the weights; with a bias, and in the last layer."""
    rng = np.random.default_rng(seed)
    scales = rng.permutation(np.float32([0, 0.5, -2, 0, 1, 1]))
    bias = rng.choice(np.float32([-1, 0, 0.5]), 6)
    graph = Graph((1, 2, 5, 5))
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(rng, 6, 2, 3, 3) * scales[:, None, None, None], bias)
    graph.add("BipolarQuant", ONE)
    graph.add("Flatten")
    last = bipolar(rng, 54, 4) * np.float32([1, 0, 1, 1])
    graph.add("MatMul", last)
    path = graph.save(tmp_path / "dead.onnx")
    lowered = lower_model(path, LoweringConfig())
    assert lowered.facts["lifted"] == []
    x = rng.standard_normal((20, 2, 5, 5)).astype(np.float32)
    logits = lowered.dataflow.logits(x)
    assert np.array_equal(logits, execute(path, x))
    assert not logits[:, 1].any() and logits.any()


@pytest.mark.parametrize("bits", [2, 8])
def test_quantised_outputs_are_in_the_table(tmp_path: Path, bits: int) -> None:
    rng = np.random.default_rng(bits)
    graph = Graph((1, 12))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 12, 9))
    adversarial_norm(rng, 12, 9).append(graph)
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 9, 3))
    graph.add("Mul", np.float32(0.3))
    _quantise(graph, 0.25, bits, signed=1)
    path = graph.save(tmp_path / "net.onnx")
    lowered = lower_model(path, LoweringConfig())
    x = rng.standard_normal((40, 12)).astype(np.float32)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    assert not any(isinstance(node, MultiThreshold) for node in lowered.dataflow.nodes)


def _learned(rng: np.random.Generator) -> Graph:
    """Two layers on 2 bits with scales as Brevitas learns them, between others."""
    graph = Graph((1, 20))
    graph.add("BipolarQuant", ONE)
    for width, height, scale in ((20, 9, 0.3719), (9, 7, 0.519)):
        graph.add("MatMul", bipolar(rng, width, height))
        graph.add("Mul", rng.uniform(0.05, 0.4, height))
        graph.add("Relu")
        _quantise(graph, scale)
    graph.add("MatMul", bipolar(rng, 7, 6))
    graph.add("Add", rng.standard_normal(6))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 6, 3))
    return graph


@pytest.mark.parametrize("seed", range(3))
def test_learned_scales_in_a_line(tmp_path: Path, seed: int) -> None:
    path = _learned(np.random.default_rng(seed)).save(tmp_path / "net.onnx")
    lowered = lower_model(path, LoweringConfig())
    assert {lift["what"] for lift in lowered.facts["lifted"]} >= {"activation scale"}
    kinds = [type(node) for node in lowered.dataflow.nodes]
    assert kinds.count(MultiThreshold) == 2 and kinds.count(IntegerMvu) == 2
    x = adversarial_inputs(lowered.dataflow, 40, seed)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


@pytest.mark.parametrize("op", ["GlobalAveragePool", "ReduceMean"])
def test_a_mean_of_49_pixels_in_front_of_the_last_layer(tmp_path: Path, op: str) -> None:
    """The end of a ResNet: 1/49 rounds, but only in the logits."""
    rng = np.random.default_rng(49)
    graph = Graph((1, 2, 9, 9))
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(rng, 6, 2, 3, 3))
    graph.add("Add", rng.integers(-3, 3, (6, 1, 1)) + 0.5)
    graph.add("BipolarQuant", ONE)
    graph.add(op, **({"axes": [2, 3]} if op == "ReduceMean" else {}))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 6, 3), name="last")
    path = graph.save(tmp_path / "net.onnx")
    lowered = lower_model(path, LoweringConfig())
    assert [(lift["layer"], lift["what"]) for lift in lowered.facts["lifted"]] == [
        ("last", "activation scale")
    ]
    assert any(isinstance(node, SumPool) for node in lowered.dataflow.nodes)
    x = rng.standard_normal((20, 2, 9, 9)).astype(np.float32)
    logits, wanted = lowered.dataflow.logits(x), execute(path, x)
    assert np.abs(logits - wanted).max() < 1e-5 and logits.any()


@pytest.mark.parametrize("padding", [0, 1])
def test_a_scale_of_which_few_multiples_occur(tmp_path: Path, padding: int) -> None:
    """Sums in twos, rounded to a grid of 0.3: gaps of six and of seven steps."""
    rng = np.random.default_rng(1)
    graph = Graph((1, 2, 6, 6))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Conv", bipolar(rng, 4, 2, 3, 3), pads=[padding] * 4)
    graph.add("Quant", np.float32(0.3), np.float32(0), np.float32(8), signed=1, narrow=0)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 4 * (4 + 2 * padding) ** 2, 3))
    path = graph.save(tmp_path / "net.onnx")
    x = rng.normal(0, 1, (20, 2, 6, 6)).astype(np.float32)
    found = lower_model(path, LoweringConfig()).dataflow.logits(x)
    assert np.allclose(found, execute(path, x), rtol=1e-5, atol=1e-4)
