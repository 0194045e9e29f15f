"""Forks, joins and integers of k bits: lowered exactly, checked against the file itself."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.dataflow import (
    Add,
    Concat,
    Crop,
    Dataflow,
    MaxPool,
    MultiThreshold,
    PadChannels,
    SlidingWindow,
    SumPool,
    XnorMvu,
)
from bnnedge.errors import LoweringError, MismatchError
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.check import Original, check_original
from bnnedge.lowering.load import read
from bnnedge.lowering.stimuli import adversarial_inputs
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

ONE = np.float32([1])
RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's graphs are the same ones, whatever ran before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def quantise(graph: Graph, scale: float = 0.5, bits: int = 4, *, signed: int = 1) -> str:
    """A k-bit quantiser; returns its tensor."""
    parameters = np.float32(scale), np.float32(0), np.float32(bits)
    return graph.add("Quant", *parameters, signed=signed, narrow=0, rounding_mode="ROUND")


def convolve(graph: Graph, inputs: int, outputs: int, **attributes: Any) -> str:
    """Sign, 3×3 convolution padded with −1, hostile BatchNorm."""
    graph.add("BipolarQuant", ONE)
    sizes = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    graph.add("Pad", sizes, np.float32(-1), mode="constant")
    graph.add("Conv", bipolar(RNG, outputs, inputs, 3, 3), **attributes)
    adversarial_norm(RNG, 9 * inputs, outputs).append(graph)
    return graph.last


def stem(channels: int = 4, *, size: tuple[int, int] = (6, 4)) -> Graph:
    """8-bit pixels, a layer, and a stream of 4 bits behind it."""
    graph = Graph((1, 1, *size))
    graph.add("Quant", np.float32(1), np.float32(0), np.float32(8), signed=0, narrow=0)
    graph.add("Conv", bipolar(RNG, channels, 1, 3, 3), pads=[1, 1, 1, 1])
    graph.add("Mul", RNG.normal(0, 0.01, (channels, 1, 1)))
    quantise(graph)
    return graph


def ended(graph: Graph, features: int) -> Graph:
    """Sums over the pixels, and a last layer."""
    graph.add("ReduceSum", np.array([2, 3], np.int64), keepdims=0)
    graph.add("MatMul", bipolar(RNG, features, 3))
    return graph


def identity_shortcut() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    quantise(graph)
    graph.add("Add", stream)
    quantise(graph)
    return ended(graph, 4)


def growing_sums() -> Graph:
    """No quantiser behind the sums: they grow by a bit."""
    graph = stem()
    for _ in range(2):
        stream = graph.last
        convolve(graph, 4, 4)
        quantise(graph)
        graph.add("Add", stream)
    return ended(graph, 4)


def other_scales() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    quantise(graph, scale=2)
    graph.add("Sub", stream)
    return ended(graph, 4)


def shortcut_of_bits() -> Graph:
    graph = stem()
    bits = graph.add("BipolarQuant", np.float32([2]))
    convolve(graph, 4, 4)
    quantise(graph)
    graph.add("Add", bits)
    return ended(graph, 4)


def half_the_pixels() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 6, strides=[2, 2])
    branch = quantise(graph)
    graph.last = stream
    numbers = [np.array(n, np.int64) for n in ([0, 0], [99, 99], [2, 3], [2, 2])]
    graph.add("Slice", *numbers)
    graph.add("Pad", np.array([0, 1, 0, 0, 0, 1, 0, 0], np.int64), mode="constant")
    graph.add("Add", branch)
    return ended(graph, 6)


def factorised_reduction() -> Graph:
    """Two strided 1×1 convolutions, the second one pixel further on, side by side."""
    graph = stem()
    graph.add("BipolarQuant", ONE)
    bits = graph.last
    graph.add("Conv", bipolar(RNG, 3, 4, 1, 1), strides=[2, 2])
    first = quantise(graph)
    graph.last = bits
    numbers = [np.array(n, np.int64) for n in ([1, 1], [99, 99], [2, 3])]
    graph.add("Slice", *numbers)
    graph.add("Conv", bipolar(RNG, 5, 4, 1, 1), strides=[2, 2])
    quantise(graph)
    graph.add("Concat", first, axis=1)
    return ended(graph, 8)


def sliced_axis_by_axis() -> Graph:
    """Rows, then columns, as exporters write it; what is between is read twice in one of them."""
    graph = stem()
    stream = graph.last

    def sliced(tensor: str, axis: int, start: int, step: int) -> str:
        graph.last = tensor
        numbers = [np.array([n], np.int64) for n in (start, 99, axis, step)]
        return graph.add("Slice", *numbers)

    odd = sliced(sliced(stream, 2, 1, 1), 3, 1, 1)
    odd = sliced(sliced(odd, 2, 0, 2), 3, 0, 2)
    rows = sliced(stream, 2, 0, 2)
    even, next_to = sliced(rows, 3, 0, 2), sliced(rows, 3, 1, 2)
    graph.last = even
    graph.add("Add", next_to)
    graph.add("Add", odd)
    return ended(graph, 4)


def pooled_twice() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 8, strides=[2, 2])
    branch = quantise(graph)
    graph.last = stream
    graph.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    pooled = quantise(graph)
    graph.add("Concat", pooled, axis=1)
    graph.add("Add", branch)
    return ended(graph, 8)


def averages_of_six() -> Graph:
    """An average that is no power of two, quantised: its own rounding decides."""
    graph = stem()
    graph.add("AveragePool", kernel_shape=[3, 2], strides=[3, 2])
    quantise(graph, scale=0.25)
    return ended(graph, 4)


def maxima() -> Graph:
    graph = stem()
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    return ended(graph, 4)


def average_of_bits() -> Graph:
    graph = stem()
    graph.add("BipolarQuant", ONE)
    graph.add("GlobalAveragePool")
    quantise(graph, scale=0.125)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 4, 3))
    return graph


def four_bit_activations() -> Graph:
    graph = stem()
    graph.add("Relu")
    graph.add("Conv", bipolar(RNG, 5, 4, 3, 3), pads=[1, 1, 1, 1])
    graph.add("Mul", RNG.normal(0, 0.05, (5, 1, 1)))
    graph.add("MultiThreshold", np.sort(RNG.normal(0, 2, (5, 6))), out_dtype="UINT3")
    return ended(graph, 5)


def two_heads_of_one_layer() -> Graph:
    """Accumulators that are read twice."""
    graph = stem()
    graph.add("BipolarQuant", ONE)
    sums = graph.add("Conv", bipolar(RNG, 4, 4, 1, 1))
    convolve(graph, 4, 4)
    branch = quantise(graph)
    graph.last = sums
    graph.add("Mul", np.float32(-0.25))
    quantise(graph)
    graph.add("Add", branch)
    return ended(graph, 4)


@pytest.mark.parametrize(
    ("build", "kinds"),
    [
        (identity_shortcut, {Add: 1, MultiThreshold: 3, XnorMvu: 1, SumPool: 1}),
        (growing_sums, {Add: 2, MultiThreshold: 3}),
        (other_scales, {Add: 1}),
        (shortcut_of_bits, {Add: 1}),
        (half_the_pixels, {Add: 1, PadChannels: 1, SlidingWindow: 3}),
        (factorised_reduction, {Concat: 1, Crop: 1}),
        (sliced_axis_by_axis, {Add: 2}),
        (pooled_twice, {Concat: 1, Add: 1, SumPool: 2}),
        (averages_of_six, {SumPool: 2, MultiThreshold: 2}),
        (maxima, {MaxPool: 1}),
        (average_of_bits, {SumPool: 1}),
        (four_bit_activations, {XnorMvu: 0, MultiThreshold: 3}),
        (two_heads_of_one_layer, {Add: 1, XnorMvu: 2}),
    ],
)
def test_branches_are_exact(
    tmp_path: Path, build: Callable[[], Graph], kinds: dict[type, int]
) -> None:
    path = build().save(tmp_path / "net.onnx")
    lowered = lower_model(path, LoweringConfig(check_images=300))
    dataflow = lowered.dataflow
    for kind, count in kinds.items():
        assert sum(isinstance(node, kind) for node in dataflow.nodes) == count, kind
    checks = lowered.facts["checks"]
    assert checks["original"]["rounding_images"] == 0
    assert checks["original"]["outputs"] >= 3 * 300 and checks["finn"]["images"] > 0
    x = adversarial_inputs(dataflow, 24, 7)[-24:]
    logits = dataflow.logits(x)
    assert np.array_equal(logits, execute(path, x).reshape(logits.shape))
    assert len(np.unique(logits, axis=0)) > 3
    dataflow.save(tmp_path)
    assert np.array_equal(Dataflow.load(tmp_path).logits(x), logits)


def test_factors_put_scales_on_one_grid(tmp_path: Path) -> None:
    path = other_scales().save(tmp_path / "net.onnx")
    nodes = lower_model(path, LoweringConfig()).dataflow.nodes
    assert [node.factors for node in nodes if isinstance(node, Add)] == [(4, -1)]


@pytest.mark.parametrize("channel", [0, 3])
def test_a_step_that_is_off_by_one_is_found(tmp_path: Path, channel: int) -> None:
    path = identity_shortcut().save(tmp_path / "net.onnx")
    dataflow = lower_model(path, LoweringConfig()).dataflow
    first = next(node for node in dataflow.nodes if isinstance(node, MultiThreshold))
    rows = np.array(first.thresholds)
    rows[channel] += 1
    wrong = tuple(
        dataclasses.replace(node, thresholds=rows) if node is first else node
        for node in dataflow.nodes
    )
    x = adversarial_inputs(dataflow, 200, 0)
    with pytest.raises(MismatchError, match=r"of image \d+"):
        changed = dataclasses.replace(dataflow, nodes=wrong)
        check_original(changed, Original.of(read(path), {}), [], x)


def float_shortcut() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    graph.add("Add", stream, name="residual")
    return ended(graph, 4)


def learned_scale() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    quantise(graph, scale=0.0371)
    graph.add("Add", stream, name="residual")
    return ended(graph, 4)


def product() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    quantise(graph)
    graph.add("Mul", stream, name="gate")
    return ended(graph, 4)


def scales_side_by_side() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    quantise(graph, scale=2)
    graph.add("Concat", stream, axis=1, name="both")
    return ended(graph, 8)


def not_monotone() -> Graph:
    graph = stem()
    graph.add("Abs")
    quantise(graph)
    graph.nodes[-1].name = "folded"
    return ended(graph, 4)


def pooled_floats() -> Graph:
    graph = stem()
    stream = graph.last
    convolve(graph, 4, 4)
    graph.add("MaxPool", kernel_shape=[1, 1], name="loudest")
    quantise(graph)
    graph.add("Add", stream)
    return ended(graph, 4)


def input_shortcut() -> Graph:
    graph = Graph((1, 1, 6, 4))
    image = graph.add("Quant", np.float32(1), np.float32(0), np.float32(8), signed=0, narrow=0)
    graph.add("Conv", bipolar(RNG, 1, 1, 3, 3), pads=[1, 1, 1, 1])
    quantise(graph)
    graph.add("Add", image, name="past_everything")
    return ended(graph, 1)


def some_pixels() -> Graph:
    graph = stem()
    numbers = [np.array(n, np.int64) for n in ([0], [3], [2])]
    graph.add("Slice", *numbers, name="top_half")
    return ended(graph, 4)


def join_at_the_end() -> Graph:
    graph = ended(stem(), 4)
    sums = graph.last
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 3, 3))
    graph.add("Add", sums, name="last")
    return graph


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            float_shortcut,
            r"before node residual \(Add\): takes .* values .*quantise.*residual_bits",
        ),
        (learned_scale, r"node .*Quant.*no small integers times a power of two"),
        (product, r"node gate \(Mul\): joins two branches.*Add, a Sub or a Concat"),
        (scales_side_by_side, r"node both \(Concat\): joins multiples of 2 and 0\.5.*one scale"),
        (not_monotone, r"node folded \(Quant\).*channel 0 rises and falls"),
        (pooled_floats, r"node loudest \(MaxPool\): pools what is no integer.*quantise in front"),
        (input_shortcut, r"node past_everything \(Add\): joins two branches"),
        (some_pixels, r"node top_half \(Slice\): wanted to keep every n-th row and column"),
        (join_at_the_end, r"node last \(Add\): makes the graph's result"),
    ],
)
def test_refused_by_name(tmp_path: Path, build: Callable[[], Graph], message: str) -> None:
    path = build().save(tmp_path / "foreign.onnx")
    with pytest.raises(LoweringError, match=message) as caught:
        lower_model(path, LoweringConfig())
    assert "\n" not in str(caught.value)
