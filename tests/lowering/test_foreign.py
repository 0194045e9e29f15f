"""What popular exporters write around a binarised MLP: every case once failed or was refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

Binariser = Callable[[Graph], object]


def _where(graph: Graph) -> None:
    graph.add("Greater", np.float32(0))
    graph.add("Where", np.float32(1), np.float32(-1))


def _double_sign(graph: Graph) -> None:
    """Larq's sign(sign(x) + 0.1)."""
    graph.add("Sign")
    graph.add("Add", np.float32(0.1))
    graph.add("Sign")


def _where_zero(graph: Graph) -> None:
    """torch.where(x == 0, 1, torch.sign(x))."""
    before = graph.last
    sign = graph.add("Sign")
    graph.last = before
    graph.add("Equal", np.float32(0))
    graph.add("Where", np.float32(1), sign)


def _plus_one_minus_abs(graph: Graph) -> None:
    """QKeras' q = sign(x); q += 1 − |q|."""
    sign = graph.add("Sign")
    graph.add("Abs")
    graph.add("Neg")
    graph.add("Add", np.float32(1))
    graph.add("Add", sign)


def _where_ones_like(graph: Graph) -> None:
    """torch.where(x > 0, torch.ones_like(x), -torch.ones_like(x))."""
    before = graph.last
    graph.add("Shape")
    ones = graph.add("ConstantOfShape", value=onnx.numpy_helper.from_array(np.float32([1])))
    minus = graph.add("Neg")
    graph.last = before
    graph.add("Greater", np.float32(0))
    graph.add("Where", ones, minus)


def _sign_of_relu(graph: Graph) -> None:
    graph.add("Relu")
    graph.add("Sign")


def _one_bit_quant(graph: Graph) -> None:
    graph.add("Quant", np.float32(0.5), np.float32(0), np.float32(1), signed=0, narrow=0)


def _network(graph: Graph, binarise: Binariser = _where, width: int = 12) -> Graph:
    rng = np.random.default_rng(0)
    binarise(graph)
    graph.add("MatMul", bipolar(rng, width, 30))
    adversarial_norm(rng, width, 30).append(graph)
    binarise(graph)
    graph.add("MatMul", bipolar(rng, 30, 4))
    graph.add("Mul", np.float32(0.3))
    return graph


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(-2, 3, shape).astype(np.float32) / 2


@pytest.mark.parametrize(
    "binarise",
    [
        _double_sign,
        _where_zero,
        _plus_one_minus_abs,
        _where_ones_like,
        _sign_of_relu,
        _one_bit_quant,
    ],
)
def test_binarisers_that_define_the_zero(tmp_path: Path, binarise: Binariser) -> None:
    """They fork, or have Sign(0) inside, and still give two values: nothing is to choose."""
    path = _network(Graph((1, 12)), binarise).save(tmp_path / "sign.onnx")
    lowered = lower_model(path, LoweringConfig())
    x = _pixels(40, 12)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    assert not [remark for remark in lowered.facts["remarks"] if "exact" in remark]


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax_is_left_to_the_host(tmp_path: Path, op: str) -> None:
    graph = _network(Graph((1, 12)))
    before = graph.save(tmp_path / "logits.onnx")
    graph.add(op, axis=-1, name="probabilities")
    lowered = lower_model(graph.save(tmp_path / "a.onnx"), LoweringConfig())
    x = _pixels(20, 12)
    assert np.array_equal(lowered.dataflow.logits(x), execute(before, x))
    assert f"probabilities ({op}): left to the host" in lowered.facts["remarks"][0]
    assert not lowered.dataflow.output.classes


def test_nodes_behind_the_class(tmp_path: Path) -> None:
    graph = _network(Graph((1, 12)))
    graph.add("Softmax", axis=-1)
    graph.add("ArgMax", axis=1)
    graph.add("Squeeze", np.array([1], np.int64))
    graph.add("Cast", to=TensorProto.INT32)
    path = graph.save(tmp_path / "class.onnx", output_type=TensorProto.INT32)
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = _pixels(20, 12)
    assert np.array_equal(dataflow.run(x), execute(path, x).reshape(-1))


def test_several_classes_behind_a_softmax(tmp_path: Path) -> None:
    graph = _network(Graph((1, 12)))
    graph.add("Softmax", axis=-1)
    graph.add("TopK", np.array([2], np.int64), axis=1)
    graph.nodes[-1].output.insert(0, "values")
    path = graph.save(tmp_path / "top2.onnx", output_type=TensorProto.INT64)
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = _pixels(20, 12)
    assert np.array_equal(dataflow.run(x), execute(path, x).reshape(-1, 2))


def test_topk_of_old_opsets(tmp_path: Path) -> None:
    graph = _network(Graph((1, 12)))
    graph.add("TopK", axis=1, k=1)
    graph.nodes[-1].output.insert(0, "values")
    path = graph.save(tmp_path / "topk.onnx", opset=9, output_type=TensorProto.INT64)
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = _pixels(20, 12)
    assert np.array_equal(dataflow.run(x), execute(path, x).reshape(-1))


def test_uint8_images(tmp_path: Path) -> None:
    graph = Graph((1, 3, 4))
    graph.input.type.tensor_type.elem_type = TensorProto.UINT8
    graph.add("Flatten")
    graph.add("Cast", to=TensorProto.FLOAT)
    graph.add("Sub", np.float32(127.5))
    path = _network(graph).save(tmp_path / "uint8.onnx")
    x = np.random.default_rng(2).integers(0, 256, (20, 3, 4)).astype(np.uint8)
    assert np.array_equal(lower_model(path, LoweringConfig()).dataflow.logits(x), execute(path, x))


def test_integer_arithmetic_on_the_input_is_refused(tmp_path: Path) -> None:
    graph = Graph((1, 12))
    graph.input.type.tensor_type.elem_type = TensorProto.INT64
    graph.add("Div", np.int64(255), name="whole_numbers")
    graph.add("Cast", to=TensorProto.FLOAT)
    path = _network(graph).save(tmp_path / "int64.onnx")
    with pytest.raises(LoweringError, match=r"INT64, and node whole_numbers \(Div\).*cast"):
        lower_model(path, LoweringConfig())


def test_a_batch_in_constant_nodes(tmp_path: Path) -> None:
    """torch's older exporter, for a batch of 3: the batch is in Constants, and in ones_like(x)."""

    def binarise(graph: Graph) -> None:
        graph.add("Greater", np.float32(0))
        width = 12 if len(graph.nodes) < 4 else 30
        graph.add("Where", np.ones((3, width)), -np.ones((3, width)))

    graph = Graph((3, 3, 4))
    shape = helper.make_node(
        "Constant", [], ["shape"], value=onnx.numpy_helper.from_array(np.array([3, 12]))
    )
    graph.nodes.append(shape)
    graph.add("Reshape", "shape")
    path = _network(graph, binarise).save(tmp_path / "batch.onnx")
    dataflow = lower_model(path, LoweringConfig()).dataflow
    x = _pixels(3, 3, 4)
    original = onnx.load(path)
    session = onnxruntime.InferenceSession(original.SerializeToString())
    assert np.array_equal(dataflow.logits(x), session.run(None, {"x": x})[0])
    assert dataflow.logits(x[:1]).shape == (1, 4)


def test_weights_with_as_many_rows_as_the_batch(tmp_path: Path) -> None:
    """They are no batch, even if all rows are equal."""
    graph = Graph((2, 6))
    _where(graph)
    bits, graph.last = graph.last, graph.constant(np.full((2, 6), 0.25))
    graph.add("Reshape", np.array([2, 6], np.int64))
    graph.add("BipolarQuant", np.float32(1))
    weights = graph.add("Transpose", perm=[1, 0])
    graph.last = bits
    graph.add("MatMul", weights)
    dataflow = lower_model(graph.save(tmp_path / "rows.onnx"), LoweringConfig()).dataflow
    assert dataflow.run(np.ones((3, 6))).tolist() == [[6, 6]] * 3


@pytest.mark.parametrize("opset", [7, 9, 10, 11])
def test_pads_and_pools_of_old_opsets(tmp_path: Path, opset: int) -> None:
    """A Pad's amounts were attributes before opset 11; a MaxPool had no dilations before 10."""
    rng = np.random.default_rng(opset)
    graph = Graph((1, 2, 6, 6))
    graph.add("BipolarQuant", np.float32([1]))
    sizes = [0, 0, 1, 1, 0, 0, 1, 1]
    if opset < 11:
        graph.add("Pad", pads=sizes, value=-1.0, mode="constant")
    else:
        graph.add("Pad", np.array(sizes, np.int64), np.float32(-1), mode="constant")
    graph.add("Conv", bipolar(rng, 3, 2, 3, 3))
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 27, 4))
    path = graph.save(tmp_path / "m.onnx", opset=opset)
    x = rng.standard_normal((6, 2, 6, 6)).astype(np.float32)
    assert np.array_equal(lower_model(path, LoweringConfig()).dataflow.logits(x), execute(path, x))


def test_an_input_of_booleans_is_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 7))
    graph.add("Cast", to=TensorProto.FLOAT)
    graph.add("MatMul", bipolar(rng, 7, 5))
    graph.add("BipolarQuant", np.float32([1]))
    graph.add("MatMul", bipolar(rng, 5, 3))
    model = graph.model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BOOL
    onnx.save(model, tmp_path / "m.onnx")
    lowered = lower_model(tmp_path / "m.onnx", LoweringConfig())
    x = rng.integers(0, 2, (20, 7)).astype(bool)
    assert lowered.facts["remarks"] == ["input x is declared BINARY: x >= 0.5 is bit 1"]
    assert np.array_equal(
        lowered.dataflow.logits(x.astype(np.float32)), execute(tmp_path / "m.onnx", x)
    )


def test_constants_that_are_declared_as_inputs(tmp_path: Path) -> None:
    """As every exporter did before IR version 4."""
    graph = Graph((1, 12))
    graph.add("Add", np.float32(0.1))
    model = _network(graph).model(opset=9)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    onnx.save(model, tmp_path / "old.onnx")
    plain = _network(Graph((1, 12)))
    x = _pixels(20, 12)
    wanted = execute(plain.save(tmp_path / "new.onnx"), x + np.float32(0.1))
    dataflow = lower_model(tmp_path / "old.onnx", LoweringConfig()).dataflow
    assert np.array_equal(dataflow.logits(x), wanted)
