"""Ties that onnxruntime decides another way once it fuses nodes are remarked on."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.lowering import lower_model
from bnnedge.lowering.config import LoweringConfig
from tests.lowering.graphs import Graph, bipolar


def _binarise(graph: Graph) -> None:
    graph.add("GreaterOrEqual", np.float32(0))
    graph.add("Cast", to=1)
    graph.add("Mul", np.float32(2))
    graph.add("Sub", np.float32(1))


@pytest.mark.parametrize("tied", [True, False])
def test_outputs_that_a_fusing_runtime_changes_are_counted(tmp_path: Path, tied: bool) -> None:
    rng = np.random.default_rng(7)
    graph = Graph((1, 2, 6, 6))
    _binarise(graph)
    graph.add("Conv", bipolar(rng, 16, 2, 3, 3))
    means = 2 * rng.integers(-4, 4, 16) + (0 if tied else 1)  # sums are even
    statistics = rng.normal(0, 1, 16), np.zeros(16), means, rng.uniform(0.5, 4, 16)
    graph.add("BatchNormalization", *(np.float32(values) for values in statistics))
    _binarise(graph)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 256, 3))
    lowered = lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig(check_images=64))
    found = [remark for remark in lowered.facts["remarks"] if "may fuse nodes" in remark]
    assert len(found) == tied
    assert not tied or int(found[0].split(" images")[0].split()[-3]) > 10, found
