"""What is written for FINN: channels last, and other forms only where QONNX has none."""

from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar

CONFIG = LoweringConfig(check_images=16)
HOST = ["Flatten", "Gather", "MultiThreshold", "Reshape"]
DENSE = ["Reshape", "MatMul", "Identity"]


def written(graph: Graph, folder: Path) -> ModelWrapper:
    """The graph, whose sums lowering has compared with the Dataflow's."""
    return lower_model(graph.save(folder / "network.onnx"), CONFIG).graph


def network(
    height: int, kernel: tuple[int, int], pads: list[int], *, groups: int = 1, dilation: int = 1
) -> Graph:
    """Two channels of a map of nine columns, a convolution, a max-pool and a dense layer."""
    rng = np.random.default_rng(0)
    graph = Graph((1, 2, height, 9))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("Conv", bipolar(rng, 4, 2 // groups, *kernel), pads=pads, group=groups)
    graph.add("Add", np.float32([0.5, -0.5, 1.5, -1.5]).reshape(4, 1, 1))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("MaxPool", kernel_shape=[1, 2], dilations=[1, dilation], strides=[1, 2])
    graph.add("Flatten")
    rows = height + pads[0] + pads[2] - kernel[0] + 1
    columns = (9 + pads[1] + pads[3] - kernel[1] - dilation) // 2 + 1
    graph.add("MatMul", bipolar(rng, 4 * rows * columns, 3))
    return graph


@pytest.mark.parametrize(
    ("graph", "layer", "pool"),
    [
        (network(3, (3, 3), [1] * 4), ["Im2Col", "MatMul"], ["MaxPoolNHWC"]),
        (network(1, (1, 3), [0, 1, 0, 1]), ["Im2Col", "MatMul"], ["MaxPoolNHWC"]),
        (network(2, (1, 1), [0] * 4), ["MatMul"], ["MaxPoolNHWC"]),
        # QONNX's Im2Col refuses a window of several rows on one, and has no groups
        (network(1, (3, 3), [1] * 4), ["Transpose", "Conv", "Transpose"], ["MaxPoolNHWC"]),
        (
            network(3, (3, 3), [0] * 4, groups=2),
            ["Transpose", "Conv", "Transpose"],
            ["MaxPoolNHWC"],
        ),
        (
            network(3, (3, 3), [1] * 4, dilation=2),
            ["Im2Col", "MatMul"],
            ["Transpose", "MaxPool", "Transpose"],
        ),
    ],
    ids=["padded", "row", "pixel", "beyond a row", "groups", "dilated"],
)
def test_forms_of_a_network_of_images(
    tmp_path: Path, graph: Graph, layer: list[str], pool: list[str]
) -> None:
    model = written(graph, tmp_path)
    wanted = [*HOST, *layer, "MultiThreshold", *pool, *DENSE]
    assert [node.op_type for node in model.graph.node] == wanted
    for node in model.graph.node:
        if node.op_type in ("Im2Col", "MaxPoolNHWC", "MatMul"):
            shape = model.get_tensor_shape(node.input[0])
            wants = {4: ["N", "H", "W", "C"], 2: ["N", "C"]}[len(shape)]
            assert model.get_tensor_layout(node.input[0]) == wants


def test_a_border_of_zeros_is_no_bit(tmp_path: Path) -> None:
    model = written(network(3, (3, 3), [1] * 4), tmp_path)
    (windows,) = model.get_nodes_by_op_type("Im2Col")
    assert model.get_tensor_datatype(windows.input[0]).name == "TERNARY"


def test_sums_of_all_pixels_and_inverted_levels(tmp_path: Path) -> None:
    """A ReduceSum; thresholds that fall as a layer's sum rises are those of flipped weights."""
    rng = np.random.default_rng(1)
    graph = Graph((1, 2, 4, 4))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("Conv", bipolar(rng, 3, 2, 3, 3))
    graph.add("Mul", np.float32([0.5, -0.5, -0.25]).reshape(3, 1, 1))
    quantiser = [np.float32(1), np.float32(0), np.float32(3)]
    graph.add("Quant", *quantiser, signed=1, narrow=0, rounding_mode="ROUND")
    graph.add("ReduceSum", np.array([2, 3]), keepdims=0)
    graph.add("MatMul", bipolar(rng, 3, 2))
    model = written(graph, tmp_path)
    layer = ["Im2Col", "MatMul", "MultiThreshold"]
    assert [node.op_type for node in model.graph.node] == [*HOST, *layer, "ReduceSum", *DENSE]


@pytest.mark.parametrize(
    ("most", "kind"), [(1, "TERNARY"), (3, "INT3"), (7, "INT4"), (8, "INT5"), (None, "BIPOLAR")]
)
def test_weights_have_the_type_of_their_bits(most: int | None, kind: str, tmp_path: Path) -> None:
    """Of a vector's matrix, some of whose rows are those of flipped weights."""
    rng = np.random.default_rng(2)
    weights = bipolar(rng, 12, 6)
    if most is not None:
        weights = rng.integers(-most, most, (12, 6), endpoint=True).astype(np.float32)
        weights[:3] = np.float32([[most], [1], [-most]])
    graph = Graph((1, 12))
    graph.add("Quant", np.float32(1), np.float32(0), np.float32(3), signed=1, narrow=0)
    graph.add("MatMul", weights)
    graph.add("Mul", np.float32([1, -1, 2, -2, 1, -1]))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("MatMul", bipolar(rng, 6, 3))
    model = written(graph, tmp_path)
    first = model.get_nodes_by_op_type("MatMul")[0]
    assert model.get_tensor_datatype(first.input[1]).name == kind
    flips = np.float32([1, -1, 1, -1, 1, -1])
    assert (model.get_initializer(first.input[1]) == weights * flips).all()
