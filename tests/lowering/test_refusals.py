"""What cannot be lowered is refused in one line that names the node and says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.errors import BnnEdgeError, LoweringError
from bnnedge.lowering import LoweringConfig, lower, lower_model
from tests.lowering.graphs import Graph, bipolar

ONE = np.float32([1])
RNG = np.random.default_rng(0)


def _start(width: int = 6) -> Graph:
    graph = Graph((1, width))
    graph.add("BipolarQuant", ONE)
    return graph


def _hidden() -> Graph:
    graph = _start()
    graph.add("MatMul", bipolar(RNG, 6, 5), name="fc0")
    return graph


def _softmax() -> Graph:
    graph = _hidden()
    graph.add("Softmax", name="probabilities")
    graph.add("Mul", np.float32(2), name="percent")
    return graph


def _softmax_between() -> Graph:
    graph = _hidden()
    graph.add("Softmax", name="attention")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 5, 2))
    return graph


def _values_of_topk() -> Graph:
    graph = _hidden()
    graph.add("TopK", np.array([1], np.int64), axis=-1, name="top1")
    graph.nodes[-1].output.append("class")
    return graph


def _relu_only() -> Graph:
    graph = _hidden()
    graph.add("Relu", name="relu0")
    graph.add("MatMul", bipolar(RNG, 5, 2), name="fc1")
    return graph


def _float_weights() -> Graph:
    graph = _start()
    weights = bipolar(RNG, 6, 5)
    weights[3, 2] = 0.3
    graph.add("MatMul", weights, name="fc_float")
    return graph


def _half_precision() -> Graph:
    graph = _start()
    graph.add("Cast", to=10)
    graph.add("MatMul", bipolar(RNG, 6, 5).astype(np.float16), name="fc_half")
    graph.add("Cast", to=1)
    return graph


def _eight_bit_input() -> Graph:
    graph = Graph((1, 6))
    graph.add("Mul", np.float32(1 / 255), name="scale_input")
    graph.add("MatMul", bipolar(RNG, 6, 5), name="fc_first")
    return graph


def _raw_input() -> Graph:
    graph = Graph((1, 6))
    graph.add("MatMul", bipolar(RNG, 6, 5), name="fc_first")
    return graph


def _top6() -> Graph:
    return _top_k(6)


def _top0() -> Graph:
    return _top_k(0)


def _smallest() -> Graph:
    return _top_k(1, largest=0)


def _unsorted() -> Graph:
    return _top_k(2, sorted=0)


def _top2_of_softmax() -> Graph:
    """e^-100 is 0 in float32, and so is e^-110."""
    graph = _hidden()
    graph.add("Mul", np.float32(10))
    graph.add("Softmax", axis=-1, name="probabilities")
    return _top_k(2, graph)


def _top_k(k: int, graph: Graph | None = None, **attributes: int) -> Graph:
    graph = graph or _hidden()
    graph.add("TopK", np.array([k], np.int64), axis=-1, name="topk", **attributes)
    graph.nodes[-1].output.insert(0, "values")
    return graph


def _residual() -> Graph:
    graph = _hidden()
    bits = graph.add("BipolarQuant", ONE, name="sign0")
    graph.add("MatMul", bipolar(RNG, 5, 5))
    graph.add("Add", bits, name="residual")
    return graph


def _fork() -> Graph:
    graph = _start()
    tensor = graph.last
    branch = graph.add("MatMul", bipolar(RNG, 6, 5), name="fc1")
    graph.last = tensor
    graph.add("MatMul", bipolar(RNG, 6, 5), name="fc2")
    graph.add("Concat", branch, axis=1, name="both")
    return graph


def _dynamic() -> Graph:
    graph = Graph(("n", "width"))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 6, 5))
    return graph


def _not_monotone() -> Graph:
    graph = _hidden()
    graph.add("Abs")
    graph.add("Sub", np.float32(3))
    graph.add("BipolarQuant", ONE, name="sign_of_abs")
    graph.add("MatMul", bipolar(RNG, 5, 2))
    return graph


def _abs_of_input() -> Graph:
    graph = Graph((1, 6))
    graph.add("Abs")
    graph.add("Sub", np.float32(0.5))
    graph.add("BipolarQuant", ONE, name="sign_of_abs")
    graph.add("MatMul", bipolar(RNG, 6, 2))
    return graph


def _mixing_norm() -> Graph:
    graph = Graph((1, 6))
    graph.add("Gather", np.array([1, 2, 3, 4, 5, 0], np.int64), axis=1)
    graph.add("Sub", "x", name="difference")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 6, 2))
    return graph


def _permuted() -> Graph:
    graph = _hidden()
    graph.add("BipolarQuant", ONE)
    graph.add("Reshape", np.array([1, 5, 1], np.int64))
    graph.add("Concat", np.ones((1, 1, 1), np.float32), axis=1, name="padding")
    graph.add("Reshape", np.array([1, 6], np.int64))
    graph.add("MatMul", bipolar(RNG, 6, 2))
    return graph


def _matrix_per_image() -> Graph:
    graph = Graph((1, 4, 6))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 6, 2), name="fc_many")
    return graph


def _no_layer() -> Graph:
    graph = Graph((1, 4))
    graph.add("BipolarQuant", ONE)
    return graph


def _channel_scales() -> Graph:
    graph = _hidden()
    graph.add("BipolarQuant", ONE)
    graph.add("Mul", np.float32([1, 2, 3, 4, 5]), name="alpha")
    graph.add("MatMul", bipolar(RNG, 5, 2))
    return graph


def _nan() -> Graph:
    graph = _hidden()
    graph.add("Div", np.float32([0, 1, 1, 1, 1]), name="divide")
    return graph


def _two_dimensional_bias() -> Graph:
    graph = _hidden()
    graph.add("Add", np.ones((5, 1), np.float32), name="outer")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 5, 2))
    return graph


def _weighted(weights: Any) -> Graph:
    graph = _hidden()
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", np.asarray(weights, np.float32), name="fc1")
    return graph


def _no_weights() -> Graph:
    return _weighted(np.zeros((5, 4)))


def _two_bits() -> Graph:
    return _weighted(RNG.integers(-2, 2, (5, 4)))


def _scaled_inputs() -> Graph:
    return _weighted(bipolar(RNG, 5, 4) * np.float32([[1], [2], [3], [4], [11]]))


def _real_weights() -> Graph:
    return _weighted(RNG.normal(0, 1, (5, 4)))


def _outlier() -> Graph:
    weights = bipolar(RNG, 5, 4)
    weights[4, 2] = 9
    return _weighted(weights)


def _no_binary_layer() -> Graph:
    graph = Graph((1, 6))
    graph.add("MatMul", RNG.normal(0, 1, (6, 5)), name="fc0")
    graph.add("Relu")
    graph.add("MatMul", RNG.normal(0, 1, (5, 2)), name="fc1")
    return graph


def _no_binariser() -> Graph:
    graph = _hidden()
    graph.add("MatMul", bipolar(RNG, 5, 2), name="fc1")
    return graph


def _gathered() -> Graph:
    graph = _hidden()
    graph.add("Gather", np.array([4, 0, 1, 2, 3], np.int64), axis=1, name="permute")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 5, 2))
    return graph


def _data_as_weights() -> Graph:
    graph = _hidden()
    bits = graph.add("BipolarQuant", ONE)
    graph.add("Transpose", perm=[1, 0])
    graph.last, turned = bits, graph.last
    graph.add("MatMul", turned, name="attend")
    return graph


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_no_weights, r"node fc1.*all its weights are 0 — export from an earlier checkpoint"),
        (
            _two_bits,
            r"node fc1 .*: its weights take more than -1, 0 and 1, and its inputs only -1 and 1 — ",
        ),
        (_scaled_inputs, r"node fc1.*\(the scale differs from input to input\)"),
        (
            _real_weights,
            r"node fc1.*channel 0 has .* \(5 different magnitudes there\) — binarise",
        ),
        (_outlier, r"node fc1.*channel 2 has 9 at input 4, wanted ±1, or .*k·s .*up to ±8 — bin"),
        (
            _no_binary_layer,
            r"no layer of few bits: .* all 2 .*node fc0 \(M.* to node fc1.* than ±8·s — train it",
        ),
        (
            _no_binariser,
            r"node fc0 \(MatMul\): no binariser before node fc1 .* — put one binariser",
        ),
        (
            _data_as_weights,
            r"node attend .*takes data \(\w+\) where a constant belongs — wanted one",
        ),
        (_gathered, r"node permute \(Gather\): rearranges or joins channels .* — put the order"),
        (_softmax, r"node percent \(Mul\): does not fit behind node probabilities \(Softmax\)"),
        (_softmax_between, r"node attention \(Softmax\): mixes channels between layers"),
        (_values_of_topk, r"node top1 \(TopK\): its class should be the graph's output"),
        (_relu_only, r"node relu0 \(Relu\), before node fc1.*not binarised.*put one binariser"),
        (_float_weights, r"node fc_float.*not of few bits: output channel 2 has 0\.3 at input 3"),
        (_half_precision, r"node fc_half \(MatMul\): wanted float32 weights, got float16"),
        (
            _eight_bit_input,
            r"node scale_input.*before node fc_first.*neither.*8 bits or less \(Pix",
        ),
        (
            _raw_input,
            r"input x, before node fc_first \(MatMul\): the first layer's input is neither",
        ),
        (_top6, r"node topk \(TopK\): wanted a constant k from 1 to the 5 classes, got 6"),
        (_top0, r"node topk \(TopK\): wanted a constant k from 1 to the 5 classes, got none"),
        (_smallest, r"node topk \(TopK\): wanted the largest, got the smallest"),
        (_unsorted, r"node topk \(TopK\): gives 2 classes in no order"),
        (_top2_of_softmax, r"node probabilities.*round different logits to one.*TopK of the logi"),
        (_residual, r"node residual \(Add\): makes the graph's result, wanted a last layer"),
        (_fork, r"node both \(Concat\): makes the graph.s result, wanted a last layer"),
        (_dynamic, r"input x: dimension 1 is dynamic"),
        (_not_monotone, r"node sign_of_abs.*channel 0 is not monotone.*accumulators -2, 4"),
        (_abs_of_input, r"node sign_of_abs.*is not one threshold of input element 0"),
        (_mixing_norm, r"node difference \(Sub\): mixes elements of the input"),
        (_permuted, r"node padding \(Concat\): rearranges or joins channels between layers"),
        (_matrix_per_image, r"node fc_many.*wanted one vector per image"),
        (_no_layer, r"no MatMul, Gemm or Conv"),
        (_channel_scales, r"node alpha \(Mul\).*not binarised, it takes 10 or more values"),
        (_nan, r"node divide \(Div\): the graph's output is NaN or infinity"),
        (_two_dimensional_bias, r"node outer \(Add\): wanted one value per output of fc0"),
    ],
)
def test_refused_by_name(tmp_path: Path, build: Callable[[], Graph], message: str) -> None:
    path = build().save(tmp_path / "foreign.onnx")
    with pytest.raises(LoweringError, match=message) as caught:
        lower_model(path, LoweringConfig())
    assert "\n" not in str(caught.value)


def test_nothing_is_left_behind_by_a_refusal(tmp_path: Path) -> None:
    path = _residual().save(tmp_path / "foreign.onnx")
    with pytest.raises(BnnEdgeError):
        lower(path, LoweringConfig(), tmp_path / "out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["foreign.onnx"]
