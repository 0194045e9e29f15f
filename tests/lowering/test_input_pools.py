"""Max-pools in front of the first layer: pooled integers, equal to qonnx's execution and in RTL."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import bnnedge
from bnnedge.dataflow import Dataflow, Flatten, MaxPool
from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower, lower_model
from tests.lowering.graphs import Graph, bipolar, execute

ONE, ZERO, EIGHT = (np.float32(value) for value in (1, 0, 8))


def _pixels(shape: tuple[int, ...]) -> Graph:
    graph = Graph((1, *shape))
    graph.input.type.tensor_type.elem_type = TensorProto.UINT8
    graph.add("Cast", to=TensorProto.FLOAT)
    return graph


def _into_convolution(rng: np.random.Generator) -> Graph:
    """Overlapping windows, padding of pool and convolution, integers with a sign."""
    graph = _pixels((3, 11, 9))
    graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    graph.add("Sub", np.float32(128))
    graph.add("Conv", bipolar(rng, 6, 3, 3, 3), pads=[1, 1, 1, 1])
    graph.add("Sub", rng.integers(-90, 90, (6, 1, 1)) + 0.5)
    graph.add("Sign")
    graph.add("Conv", bipolar(rng, 4, 6, 2, 2))
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    return graph


def _into_vector(rng: np.random.Generator) -> Graph:
    """Two pools, a quantiser between them, and no convolution."""
    graph = Graph((1, 2, 9, 8))
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[1, 2], ceil_mode=1)
    graph.add("Quant", np.float32(0.25), ZERO, np.float32(5), signed=1, narrow=0)
    graph.add("MaxPool", kernel_shape=[2, 1], strides=[2, 1], dilations=[3, 1])
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 24, 8))
    graph.add("Sub", rng.integers(-9, 9, 8) / 4 + 0.125)
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 8, 5))
    return graph


def _of_signed(rng: np.random.Generator) -> Graph:
    """Disjoint windows behind the quantiser; all values may be negative."""
    graph = Graph((1, 2, 8, 8))
    graph.add("Quant", ONE, ZERO, EIGHT, signed=1, narrow=0)
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Conv", bipolar(rng, 5, 2, 3, 3))
    graph.add("Sub", rng.integers(-50, 50, (5, 1, 1)) + 0.5)
    graph.add("Sign")
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 20, 5))
    return graph


def _inputs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Within and beyond the range, images that are all negative, many ties."""
    x = rng.normal(0, 60, (40, *shape))
    x[::4] = -np.abs(x[::4])
    x[1::4] = rng.integers(-2, 1, x[1::4].shape)
    return x.astype(np.float32)


@pytest.mark.parametrize("build", [_into_convolution, _into_vector, _of_signed])
def test_pooled_integers_are_equal_from_onnx_to_rtl(
    build: Callable[[np.random.Generator], Graph], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    path = build(rng).save(tmp_path / "model.onnx")
    lower(path, LoweringConfig(), tmp_path / "dataflow")
    dataflow = Dataflow.load(tmp_path / "dataflow")
    pools = [node for node in dataflow.nodes if isinstance(node, MaxPool)]
    assert pools[0] is dataflow.nodes[0] and pools[0].conjunction is None
    x = _inputs(dataflow.input.input_shape, rng)
    if build is _into_convolution:
        x = rng.integers(0, 256, x.shape).astype(np.uint8)
    wanted = execute(path, x).reshape(len(x), -1)
    assert np.array_equal(dataflow.logits(x), wanted)
    assert len(np.unique(wanted, axis=0)) > 8

    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl", target_fps=200_000, clock_mhz=100)
    result = bnnedge.simulate(tmp_path / "rtl", inputs=x, stalls=0.3)
    assert result.images == len(x)
    assert result.interval_cycles == result.predicted_interval_cycles


def test_a_vector_behind_pools_is_flattened_in_the_streams_order(tmp_path: Path) -> None:
    path = _into_vector(np.random.default_rng(1)).save(tmp_path / "model.onnx")
    first, second, flatten, *_ = lower_model(path, LoweringConfig()).dataflow.nodes
    assert isinstance(first, MaxPool) and isinstance(second, MaxPool)
    assert isinstance(flatten, Flatten)
    assert first.window.stride == (1, 2) and second.window.dilation == (3, 1)


def _average() -> Graph:
    graph = _pixels((1, 6, 6))
    graph.add("AveragePool", kernel_shape=[2, 2], name="mean")
    return graph


def _of_bits() -> Graph:
    graph = Graph((1, 1, 6, 6))
    graph.add("MaxPool", kernel_shape=[2, 2], name="shrink")
    graph.add("BipolarQuant", ONE.reshape(1))
    return graph


def _falling() -> Graph:
    """The largest of what falls, made to rise again: the least pixel of a window."""
    graph = _pixels((1, 6, 6))
    graph.add("Neg")
    graph.add("MaxPool", kernel_shape=[2, 2], name="shrink")
    graph.add("Neg", name="back")
    return graph


def _transposed() -> Graph:
    graph = _pixels((1, 6, 6))
    graph.add("MaxPool", kernel_shape=[2, 2], name="shrink")
    graph.add("Transpose", perm=[0, 1, 3, 2])
    return graph


def _sliced() -> Graph:
    graph = _pixels((1, 6, 6))
    graph.add("MaxPool", kernel_shape=[2, 2], name="shrink")
    starts, ends, axes = (np.array([n], np.int64) for n in (0, 4, 3))
    graph.add("Slice", starts, ends, axes, name="slice")
    return graph


def _two_pools() -> Graph:
    graph = _pixels((1, 6, 6))
    pixels = graph.last
    pooled = graph.add("MaxPool", kernel_shape=[2, 2], name="one")
    graph.last = pixels
    graph.add("MaxPool", kernel_shape=[2, 2], name="other")
    graph.add("Add", pooled)
    return graph


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (_average, r"node mean \(AveragePool\): sums or pools in front of the first layer"),
        (_of_bits, r"node shrink \(MaxPool\): pools in front of a first layer that sees two val"),
        (_falling, r"node back.*is not a staircase of the largest input element in a window"),
        (_transposed, r"node shrink \(MaxPool\): what it pools is transposed behind it"),
        (_sliced, r"node slice \(Slice\): rearranges or joins channels"),
        (_two_pools, r"node other \(MaxPool\): works on the same data as node one \(MaxPool\)"),
    ],
)
def test_other_pools_of_the_input_are_refused(
    build: Callable[[], Graph], text: str, tmp_path: Path
) -> None:
    rng, graph = np.random.default_rng(0), build()
    size = 4 if build is _sliced else 5
    graph.add("Conv", bipolar(rng, 2, 1, 3, 3))
    graph.add("Sign")
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 2 * (size - 2) * 3, 3))
    path = graph.save(tmp_path / "model.onnx")
    with pytest.raises(LoweringError, match=text) as caught:
        lower_model(path, LoweringConfig())
    assert "\n" not in str(caught.value)
