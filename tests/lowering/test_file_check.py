"""What the file itself gives, before any rewrite, decides."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.errors import MismatchError
from bnnedge.lowering import LoweringConfig, lower_model, tidy
from bnnedge.lowering.check import Original
from bnnedge.lowering.file_check import check_file
from bnnedge.lowering.load import parse, read
from tests.lowering.graphs import Graph, bipolar

ONE = np.float32([1])


def network(path: Path, *, quantiser: str, batch: int = 1) -> Path:
    rng = np.random.default_rng(0)
    graph = Graph((batch, 16))
    graph.add("Sub", rng.uniform(0, 1, 16).astype(np.float32))
    for inputs, outputs in ((16, 9), (9, 4)):
        if quantiser == "Sign":
            graph.add("Sign")
        else:
            graph.add(quantiser, ONE)
        graph.add("MatMul", bipolar(rng, inputs, outputs))
    return graph.save(path / "net.onnx")


def flip_a_column(model: onnx.ModelProto) -> None:
    """A rewrite that is wrong in one of the last layer's columns, of an odd number of rows."""
    weights = [tensor for tensor in model.graph.initializer if tensor.dims == [9, 4]][-1]
    values = onnx.numpy_helper.to_array(weights).copy()
    values[:, 0] *= -1
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))


@pytest.mark.parametrize("quantiser", ["Sign", "BipolarQuant"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_wrong_rewrite_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantiser: str, batch: int
) -> None:
    path = network(tmp_path, quantiser=quantiser, batch=batch)
    config = LoweringConfig(sign_zero=SignZero.PLUS)
    assert lower_model(path, config).facts["checks"]["file"]["images"] >= 2
    wrong = tidy.Step(run=flip_a_column, why="it is not")
    monkeypatch.setattr(tidy, "STEPS", (*tidy.STEPS, wrong))
    with pytest.raises(MismatchError, match=r"tensor \w+: image \d+ differs from what the file"):
        lower_model(path, config)


def test_an_image_whose_bit_is_the_users_word_is_not_compared(tmp_path: Path) -> None:
    graph = Graph((1, 4))
    for _ in range(2):
        graph.add("Sign")
        graph.add("MatMul", np.ones((4, 4), np.float32))
    path = graph.save(tmp_path / "net.onnx")
    signs = {node.name: 1.0 for node in read(path).graph.node if node.op_type == "Sign"}
    x = np.float32([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, -1, -1], [-1, -1, -1, 1]])
    assert check_file(parse(path), Original.of(read(path), signs), x, rounds=False) == 2


def test_where_sums_round_half_of_the_images_may_differ(tmp_path: Path) -> None:
    path = network(tmp_path, quantiser="BipolarQuant")
    model = read(path)
    x = np.random.default_rng(1).uniform(0, 1, (2, 16)).astype(np.float32)
    flip_a_column(model)
    with pytest.raises(MismatchError):
        check_file(parse(path), Original.of(model, {}), x, rounds=True)
