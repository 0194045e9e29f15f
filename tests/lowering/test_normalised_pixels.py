"""8-bit pixels that the graph itself normalises: an offset goes behind the layer's sum."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar, execute


def _pixels(*shape: int) -> Graph:
    graph = Graph((1, *shape))
    graph.input.type.tensor_type.elem_type = TensorProto.UINT8
    graph.add("Cast", to=TensorProto.FLOAT)
    return graph


def _ended(graph: Graph, rng: np.random.Generator, *shape: int) -> Graph:
    graph.add("Add", rng.normal(0, 1, (shape[0], *[1] * (len(shape) - 1))))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, int(np.prod(shape)), 3))
    return graph


def _check(path: Path, graph: Graph, element: str, *shape: int) -> None:
    lowered = lower_model(graph.save(path), LoweringConfig())
    assert str(lowered.dataflow.input.element) == element
    assert lowered.facts["lifted"][0]["what"] == "activation scale"
    x = np.random.default_rng(1).integers(0, 256, (40, *shape))
    x[0], x[1] = 0, 255
    floats = x.astype(np.float32)
    wanted = np.concatenate([execute(path, image[None].astype(np.uint8)) for image in x])
    assert np.array_equal(lowered.dataflow.logits(floats), wanted)


@pytest.mark.parametrize("steps", [[("Div", 127.5), ("Sub", 1)], [("Div", 255), ("Sub", 0.5)]])
@pytest.mark.parametrize(("pad", "element"), [(0, "UINT8"), (1, "INT9")])
def test_one_offset(tmp_path: Path, steps: list[tuple[str, float]], pad: int, element: str) -> None:
    """Padding is a 0 between two pixels, so they count in halves there."""
    rng = np.random.default_rng(2)
    graph = _pixels(2, 6, 6)
    for op, value in steps:
        graph.add(op, np.float32(value))
    graph.add("Conv", bipolar(rng, 4, 2, 3, 3), pads=[pad] * 4)
    _check(
        tmp_path / "net.onnx",
        _ended(graph, rng, 4, 4 + 2 * pad, 4 + 2 * pad),
        element,
        *(2, 6, 6),
    )


@pytest.mark.parametrize("groups", [1, 3])
def test_an_offset_in_each_channel(tmp_path: Path, groups: int) -> None:
    rng = np.random.default_rng(3)
    graph = _pixels(3, 5, 5)
    graph.add("Div", np.float32(255))
    graph.add("Sub", np.float32([0.485, 0.456, 0.406]).reshape(3, 1, 1))
    graph.add("Div", np.float32(0.225))
    graph.add("Conv", bipolar(rng, 6, 3 // groups, 3, 3), group=groups)
    _check(tmp_path / "net.onnx", _ended(graph, rng, 6, 3, 3), "UINT8", 3, 5, 5)


def test_an_offset_in_a_vector(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    graph = _pixels(12)
    graph.add("Div", np.float32(127.5))
    graph.add("Sub", np.float32(1))
    graph.add("Gemm", bipolar(rng, 7, 12), rng.standard_normal(7), transB=1)
    _check(tmp_path / "net.onnx", _ended(graph, rng, 7), "UINT8", 12)
