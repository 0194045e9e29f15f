"""Names of nodes and tensors are data: whatever they are, the Dataflow is the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering import test_branches as branches
from tests.lowering.graphs import Graph
from tests.lowering.test_conv import random_images


def renamed(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """Every node, tensor and constant called by a random number, or by no name at all."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    numbers = iter(rng.permutation(10_000))
    names: dict[str, str] = {"": ""}

    def new(name: str) -> str:
        if name not in names:
            names[name] = f"n{next(numbers)}"
        return names[name]

    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new(value.name)
    for node in graph.node:
        node.name = "" if rng.random() < 0.3 else f"node{next(numbers)}"
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
    return copy


def lowered(model: onnx.ModelProto, path: Path) -> tuple[str, dict[str, bytes]]:
    onnx.save(model, path / "network.onnx")
    dataflow = lower_model(path / "network.onnx", LoweringConfig(check_images=1)).dataflow
    dataflow.save(path)
    with np.load(path / "weights.npz") as arrays:
        weights = {name: arrays[name].tobytes() for name in arrays.files}
    return (path / "dataflow.json").read_text(), weights


def graph_of(name: str) -> Graph:
    if name.startswith("images"):
        return random_images(int(name.removeprefix("images"))).graph
    graph: Graph = getattr(branches, name)()
    return graph


@pytest.mark.parametrize(
    "name",
    ["images1", "images28467", "half_the_pixels", "pooled_twice", "two_heads_of_one_layer"],
)
def test_names_do_not_matter(tmp_path: Path, name: str) -> None:
    model = graph_of(name).model()
    wanted = lowered(model, tmp_path)
    for seed in range(2):
        assert lowered(renamed(model, np.random.default_rng(seed)), tmp_path) == wanted
