"""Several layers that see the network's input: equal to the file, and in RTL."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bnnedge
from bnnedge.dataflow import Dataflow
from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower, lower_model
from tests.lowering.graphs import Graph, bipolar, execute

ONE, ZERO = np.float32(1), np.float32(0)


def _ended(graph: Graph, rng: np.random.Generator, channels: int) -> Graph:
    graph.add("Add", rng.integers(-3, 3, (channels, 1, 1)) + 0.5)
    graph.add("BipolarQuant", ONE)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 64 * channels, 3))
    return graph


def _windows_of_bits(rng: np.random.Generator) -> Graph:
    """As in an Inception block; padded by a node, and by the convolution."""
    graph = Graph((1, 2, 8, 8))
    shared = graph.add("BipolarQuant", ONE)
    small = graph.add("Conv", bipolar(rng, 3, 2, 3, 3), pads=[1] * 4)
    graph.last = shared
    graph.add("Pad", np.array([0, 0, 2, 2, 0, 0, 2, 2]), np.float32(-1))
    large = graph.add("Conv", bipolar(rng, 4, 2, 5, 5))
    graph.last = shared
    graph.add("Conv", bipolar(rng, 2, 2, 1, 1))
    graph.add("Concat", small, large, axis=1)
    return _ended(graph, rng, 9)


def _sums_of_pixels(rng: np.random.Generator) -> Graph:
    """Behind a pool."""
    graph = Graph((1, 3, 16, 16))
    graph.add("Quant", ONE, ZERO, np.float32(4), signed=0, narrow=0)
    shared = graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    first = graph.add("Conv", bipolar(rng, 4, 3, 1, 1))
    graph.last = shared
    graph.add("Conv", bipolar(rng, 4, 3, 3, 3), pads=[1] * 4)
    graph.add("Add", first)
    return _ended(graph, rng, 4)


def _of_vectors(rng: np.random.Generator) -> Graph:
    graph = Graph((1, 9))
    shared = graph.add("BipolarQuant", ONE)
    first = graph.add("MatMul", bipolar(rng, 9, 7))
    graph.last = shared
    graph.add("MatMul", bipolar(rng, 9, 7))
    graph.add("Sub", first)
    graph.add("Add", ONE)
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 7, 3))
    return graph


@pytest.mark.parametrize("build", [_windows_of_bits, _sums_of_pixels, _of_vectors])
def test_layers_share_the_input(
    tmp_path: Path, build: Callable[[np.random.Generator], Graph]
) -> None:
    rng = np.random.default_rng(3)
    graph = build(rng)
    shape = [dim.dim_value for dim in graph.input.type.tensor_type.shape.dim][1:]
    x = np.round(rng.normal(0, 60, (16, *shape))).astype(np.float32)
    path = graph.save(tmp_path / "net.onnx")

    lower(path, LoweringConfig(), tmp_path / "dataflow")
    dataflow = Dataflow.load(tmp_path / "dataflow")

    assert np.array_equal(dataflow.logits(x), execute(path, x).reshape(16, -1))
    assert len(np.unique(dataflow.logits(x), axis=0)) > 4
    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl")
    assert bnnedge.simulate(tmp_path / "rtl", inputs=x[:5], stalls=0.3).images == 5


def test_one_tensor_is_shared(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    graph = Graph((1, 9))
    first = graph.add("MatMul", bipolar(rng, 9, 4), name="of_x")
    graph.last = "x"
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 9, 4), name="of_bits")
    graph.add("Add", first)
    with pytest.raises(
        LoweringError, match=r"node of_bits .* as node of_x .* in another way — give both the same"
    ):
        lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig())
