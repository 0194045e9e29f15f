"""Networks on rows (N, C, L), as exporters write them: images of one row inside, rows outside."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.errors import LoweringError, MismatchError
from bnnedge.lowering import LoweringConfig, SignZero, lower_model
from bnnedge.lowering.load import read
from bnnedge.lowering.passes import lift_rows
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

_CONFIG = LoweringConfig(check_images=16, sign_zero=SignZero.PLUS)


def _inputs(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 1, (12, *shape)).astype(np.float32)


def _lowered(graph: Graph, folder: Path, *, opset: int = 17) -> Dataflow:
    """The Dataflow, which gives what the file does."""
    path = graph.save(folder / "rows.onnx", opset=opset)
    x = _inputs(*(dim.dim_value for dim in graph.input.type.tensor_type.shape.dim[1:]))
    dataflow = lower_model(path, _CONFIG).dataflow
    assert np.array_equal(dataflow.logits(x), execute(path, x).reshape(len(x), -1))
    return dataflow


def _binarise(graph: Graph) -> None:
    graph.add("Less", np.float32(0))
    graph.add("Where", np.float32(-1), np.float32(1))


def _ended(graph: Graph, rng: np.random.Generator, features: int) -> Graph:
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, features, 3))
    return graph


def test_the_usual_nodes(tmp_path: Path) -> None:
    """Weights behind a quantiser, constants of every rank, and both places of a pool."""
    rng = np.random.default_rng(1)
    graph = Graph((1, 2, 20))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Conv", bipolar(rng, 6, 2, 3), strides=[2], pads=[1, 1])  # 10
    adversarial_norm(rng, 6, 6).append(graph)
    graph.add("Mul", rng.choice([-1, 0.5, 2], (1, 6, 1)))
    graph.add("Add", rng.normal(0, 1, (6, 1)))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("MaxPool", kernel_shape=[2], strides=[2])  # 5
    graph.add("Conv", bipolar(rng, 6, 3, 2), dilations=[2], group=2)  # 3
    graph.add("Add", rng.integers(-4, 5, (6, 1)) + 0.5)
    graph.add("Sign")
    dataflow = _lowered(_ended(graph, rng, 18), tmp_path)
    assert dataflow.input.input_shape == (2, 20) and dataflow.input.output_shape == (1, 20, 2)
    shapes = [stream.shape for stream in dataflow.streams().values()]
    assert (1, 10, 6) in shapes and (1, 5, 6) in shapes and (1, 3, 6) in shapes


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_pads_and_averages_of_old_files_and_new_ones(opset: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    graph = Graph((1, 3, 15))
    _binarise(graph)
    whole = [0, 0, 2, 0, 0, 1]
    if opset < 11:
        graph.add("Pad", pads=whole, value=-1.0, mode="constant")
    elif opset < 18:
        graph.add("Pad", np.array(whole), np.float32(-1))
    else:
        graph.add("Pad", np.array([2, 1]), np.float32(-1), np.array([-1]))
    graph.add("Conv", bipolar(rng, 4, 3, 3), auto_pad="VALID")  # 16
    graph.add("Add", rng.normal(0, 1, (4, 1)))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 1, 3), auto_pad="SAME_UPPER", group=4)  # 16
    graph.add("AveragePool", kernel_shape=[2], strides=[2])  # 8
    graph.add("Sub", rng.normal(0, 1, (1, 4, 1)))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 5, 4, 1))
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    _lowered(graph, tmp_path, opset=opset)


def test_steps_first_are_transposed_once(tmp_path: Path) -> None:
    """Inputs (N, L, C), and a normalisation behind a transpose back."""
    rng = np.random.default_rng(3)
    graph = Graph((1, 9, 2))
    _binarise(graph)
    graph.add("Transpose", perm=[0, 2, 1])
    graph.add("Conv", bipolar(rng, 4, 2, 2))
    graph.add("Transpose", perm=[0, 2, 1])
    graph.add("Add", rng.normal(0, 1, 4))
    _binarise(graph)
    graph.add("Transpose", perm=[0, 2, 1])
    dataflow = _lowered(_ended(graph, rng, 32), tmp_path)
    assert dataflow.input.input_shape == (9, 2)


def test_branches_meet(tmp_path: Path) -> None:
    """In a sum with what a Slice left, and in a Concat."""
    rng = np.random.default_rng(4)
    integers = np.float32([2, 0, 3])
    graph = Graph((1, 2, 12))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 2, 3), pads=[1, 1])
    shortcut = graph.add("Quant", *integers, signed=1, narrow=0)
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 4, 3), strides=[2], pads=[1, 1])
    left = graph.add("Quant", *integers, signed=1, narrow=0)
    graph.last = shortcut
    graph.add("Slice", np.array([0]), np.array([12]), np.array([2]), np.array([2]))
    graph.add("Add", left)
    graph.add("Quant", *integers, signed=1, narrow=0)
    graph.add("Concat", left, axis=1)
    _lowered(_ended(graph, rng, 48), tmp_path)


def test_a_height_that_the_file_adds_itself_is_the_same_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    graph = Graph((1, 2, 10))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 2, 3))
    graph.add("Unsqueeze", np.array([2]))
    graph.add("MaxPool", kernel_shape=[1, 2], strides=[1, 2])
    graph.add("Squeeze", np.array([2]))
    graph.add("Add", rng.normal(0, 1, (4, 1)))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 4, 2))
    graph.add("ReduceMean", axes=[-1], keepdims=0)
    path = graph.save(tmp_path / "rows.onnx")
    ops = [node.op_type for node in read(path).graph.node]
    assert (ops.count("Unsqueeze"), ops.count("Squeeze"), ops.count("Reshape")) == (1, 0, 0)
    graph.last = graph.nodes[-1].output[0]
    _lowered(graph, tmp_path)


@pytest.mark.parametrize(
    ("op", "weights", "options", "line"),
    [
        ("Conv", (3, 2, 3, 3, 3), {}, "wanted 4 weight dimensions, got 5"),
        ("Conv", (3, 2, 3), {"pads": [2, 2], "strides": [0]}, "stride"),
        ("MaxPool", None, {"kernel_shape": [3], "dilations": [2], "storage_order": 0}, "maximum"),
        ("AveragePool", None, {"kernel_shape": [2], "pads": [1, 1]}, "its divisor depends"),
    ],
)
def test_what_images_cannot_have_rows_cannot(
    op: str, weights: tuple[int, ...] | None, options: dict[str, object], line: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    size = (5,) * (1 if weights is None else len(weights) - 2)
    graph = Graph((1, 2, *size))
    _binarise(graph)
    if weights is None:
        graph.add("Conv", bipolar(rng, 2, 2, 1))
        graph.add(op, **options)
    else:
        graph.add(op, bipolar(rng, *weights), **options)
    graph.add("Flatten")
    with pytest.raises(LoweringError, match=line):
        lower_model(graph.save(tmp_path / "rows.onnx"), _CONFIG)


def test_the_file_judges_the_lift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding that is put at the other end is seen by the untouched file."""
    rng = np.random.default_rng(8)
    graph = Graph((1, 2, 10))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 4, 2, 3), pads=[2, 0], strides=[3])
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    path = graph.save(tmp_path / "rows.onnx")
    lower_model(path, _CONFIG)
    kept = lift_rows._with_height
    monkeypatch.setattr(lift_rows, "_with_height", lambda pads, axes: kept(pads[::-1], axes))
    with pytest.raises(MismatchError, match="differs from what the file gives"):
        lower_model(path, _CONFIG)
