"""What the input holds: said by the file, or by the user."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import Dataflow
from bnnedge.emulator import Emulator
from bnnedge.errors import DataError, LoweringError
from bnnedge.lowering import InputKind, LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar, execute

VALUES = {
    InputKind.UINT8: np.arange(256),
    InputKind.INT8: np.arange(-128, 128),
    InputKind.BIPOLAR: np.array([-1, 1]),
}


def _vectors() -> Graph:
    rng = np.random.default_rng(1)
    graph = Graph((1, 12))
    graph.add("MatMul", bipolar(rng, 12, 9), name="first")
    graph.add("Add", rng.integers(-9, 9, 9) + 0.5)
    graph.add("BipolarQuant", np.float32(1))
    graph.add("MatMul", bipolar(rng, 9, 4))
    return graph


def _images() -> Graph:
    rng = np.random.default_rng(2)
    graph = Graph((1, 2, 5, 4))
    graph.add("Mul", np.float32(0.5))
    graph.add("Conv", bipolar(rng, 5, 2, 3, 3), pads=[1, 1, 1, 1], name="first")
    graph.add("Sub", rng.normal(0, 3, (5, 1, 1)))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 100, 3))
    return graph


@pytest.mark.parametrize("graph", [_vectors(), _images()], ids=["vectors", "images"])
@pytest.mark.parametrize("kind", InputKind)
def test_the_user_says_it(tmp_path: Path, graph: Graph, kind: InputKind) -> None:
    path = graph.save(tmp_path / "net.onnx")
    shape = [dim.dim_value for dim in graph.input.type.tensor_type.shape.dim]
    x = np.random.default_rng(3).choice(VALUES[kind], (20, *shape[1:])).astype(np.float32)

    dataflow = lower_model(path, LoweringConfig(input=kind)).dataflow

    assert str(dataflow.input.stream.element) == kind.name
    assert np.array_equal(dataflow.logits(x), execute(path, x))
    dataflow.save(tmp_path)
    assert Dataflow.load(tmp_path).input.declared == dataflow.input.stream.element
    told = "integers or ±1, say input='uint8', input='int8' or input='bipolar'; else quantise"
    with pytest.raises(LoweringError, match=told):
        lower_model(path, LoweringConfig())


@pytest.mark.parametrize("kind", ["UINT8", "INT8", "INT2", "UINT4", "TERNARY"])
def test_an_annotation_says_it(tmp_path: Path, kind: str) -> None:
    path = _vectors().save(tmp_path / "net.onnx")
    model = ModelWrapper(str(path))
    model.set_tensor_datatype("x", DataType[kind])
    model.save(str(path))
    element = DataType[kind]
    allowed = np.arange(int(element.min()), int(element.max()) + 1)
    x = np.random.default_rng(4).choice(allowed, (20, 12)).astype(np.float32)

    dataflow = lower_model(path, LoweringConfig()).dataflow

    assert not dataflow.input.stream.element.bipolar
    assert np.array_equal(dataflow.logits(x), execute(path, x))


def test_an_annotation_adds_nothing_to_a_quantiser(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    graph = Graph((1, 12))
    graph.add("Quant", np.float32(0.37), np.float32(0), np.float32(8), signed=1, narrow=0)
    graph.add("MatMul", bipolar(rng, 12, 4))
    path = graph.save(tmp_path / "net.onnx")
    plain = lower_model(path, LoweringConfig()).dataflow
    model = ModelWrapper(str(path))
    model.set_tensor_datatype("x", DataType["INT8"])
    model.save(str(path))

    annotated = lower_model(path, LoweringConfig()).dataflow

    assert np.array_equal(vars(plain.input)["steps"], vars(annotated.input)["steps"])


@pytest.mark.parametrize(
    ("held", "kind"), [("UINT8", InputKind.INT8), ("UINT8", InputKind.BIPOLAR)]
)
def test_file_and_user_do_not_agree(tmp_path: Path, held: str, kind: InputKind) -> None:
    graph = _images()
    graph.input.type.tensor_type.elem_type = TensorProto.DataType.Value(held)
    path = graph.save(tmp_path / "net.onnx")
    with pytest.raises(LoweringError, match=f"input x: .*{held}, input={kind.value!r} — leave out"):
        lower_model(path, LoweringConfig(input=kind))


@pytest.mark.parametrize("kind", InputKind)
def test_other_data_are_refused(tmp_path: Path, kind: InputKind) -> None:
    path = _vectors().save(tmp_path / "net.onnx")
    dataflow = lower_model(path, LoweringConfig(input=kind)).dataflow
    x = np.ones((3, 12), np.float32)
    emulator = Emulator(dataflow)
    assert np.array_equal(emulator.accumulators(x), dataflow.accumulators(x))
    x[2, 5] = 0.5
    for run in (dataflow.run, emulator):
        with pytest.raises(DataError, match=f"holds 0.5 in image 2, .* hold {kind.name} — give"):
            run(x)


def test_other_reference_inputs_are_refused(tmp_path: Path) -> None:
    path = _vectors().save(tmp_path / "net.onnx")
    x = np.full((2, 12), 0.5, np.float32)
    np.savez(tmp_path / "reference.npz", inputs=x, logits=execute(path, x))
    with pytest.raises(DataError, match="declared to hold BIPOLAR"):
        lower_model(path, LoweringConfig(input=InputKind.BIPOLAR))
