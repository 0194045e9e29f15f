"""Graphs that are foreign, broken or not networks: each refusal names the cause and the way out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar

ONE = np.float32([1])
RNG = np.random.default_rng(0)


def _begun(shape: tuple[int | str, ...] = (1, 6)) -> Graph:
    graph = Graph(shape)
    graph.add("BipolarQuant", ONE)
    return graph


def _hidden() -> Graph:
    graph = _begun()
    graph.add("MatMul", bipolar(RNG, 6, 5), name="fc0")
    return graph


def _end(graph: Graph) -> onnx.ModelProto:
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 5, 2), name="fc1")
    return graph.model()


def _refused(tmp_path: Path, model: onnx.ModelProto, message: str) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoweringError, match=message) as caught:
        lower_model(path, LoweringConfig())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("LayerNormalization", "normalises by what each image.*train with BatchNormalization"),
        ("InstanceNormalization", "normalises by what each image"),
        ("GroupNormalization", "normalises by what each image"),
        ("LSTM", "is recurrent — wanted a feed-forward network"),
        ("ConvTranspose", "transposed convolutions cannot be lowered — end the network before"),
        ("Resize", "moves pixels about.*strides of Conv and pools"),
        ("DepthToSpace", "moves pixels about"),
        ("QLinearConv", "a network of 8-bit integers.*before it is quantised"),
        ("MatMulInteger", "a network of 8-bit integers"),
        ("DynamicQuantizeLinear", "a network of 8-bit integers"),
        ("RandomNormalLike", r"gives random numbers — .*model\.eval\(\)"),
        ("Bernoulli", "gives random numbers"),
        ("SequenceConstruct", "works on sequences.*one float32 tensor in"),
        ("NonZero", "shape depends on the input — end the network before it"),
        ("ReduceMax", "no pool that can be lowered — wanted MaxPool, GlobalMaxPool"),
        ("ArgMin", "no way to end a network — end in the logits"),
        ("Gelu", "no activation that the lowering knows.*use Relu"),
        ("GatherND", r"places, as x\[:, columns\] does — .* write x.index_select\(1, columns\)"),
        ("CumSum", "not an op that the lowering knows — wanted MatMul, Gemm or Conv"),
        ("Einsum", "can multiply data by data — wanted layers with constant weights"),
        ("sign", r"ONNX has no such op in opset 17 — did you mean Sign\?"),
        ("Signs", r"ONNX has no such op in opset 17 — did you mean Sign\?"),
        ("TensorScatter", "can multiply data by data"),
        ("BitCast", "ONNX has this op since opset 2[0-9], the graph is of opset 17 — export it"),
    ],
)
def test_ops_that_are_not_known(tmp_path: Path, op: str, message: str) -> None:
    graph = _hidden()
    graph.add(op, name="odd")
    _refused(tmp_path, _end(graph), rf"node odd \({op}\): .*{message}")


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("FloatQuant", "small floats.*QuantIdentity"),
        ("QuantAvgPool2d", "wanted an AveragePool"),
        ("Im2Col", "with its Conv"),
        ("Quant", "wanted 4 inputs, got 1"),
        ("MultiThreshold", "wanted 2 inputs, got 1"),
    ],
)
def test_ops_of_qonnx_that_are_not_known(tmp_path: Path, op: str, message: str) -> None:
    graph = _hidden()
    graph.add(op, name="odd")
    graph.nodes[-1].domain = "qonnx.custom_op.general"
    _refused(tmp_path, _end(graph), rf"node odd \({op}\): .*{message}")


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("qonnx.custom_op.channels_last", r"channels-last form — .*\(N, C, H, W\).*channels_last"),
        ("finn.custom_op.fpgadataflow.hls", "a hardware node of FINN's — .*from before"),
        ("com.microsoft", "onnxruntime's own.*from before onnxruntime optimised"),
        ("com.microsoft.nchwc", "onnxruntime's own"),
        ("ai.onnx.ml", "classical machine learning.*export the network alone"),
        ("org.pytorch.aten", "op of PyTorch's.*without operator_export_type"),
        ("pkg.onnxscript.torch_lib", "function of PyTorch's exporter.*newer torch"),
        ("com.microsofty", r"op of the unknown domain com\.microsofty — export standard ONNX"),
    ],
)
def test_domains_that_are_not_known(tmp_path: Path, domain: str, message: str) -> None:
    graph = _hidden()
    graph.add("Conv", name="odd")
    graph.nodes[-1].domain = domain
    _refused(tmp_path, _end(graph), rf"node odd \(Conv\): .*{message}")


@pytest.mark.parametrize("op", ["If", "Loop", "Scan"])
def test_control_flow(tmp_path: Path, op: str) -> None:
    graph = _hidden()
    body = helper.make_graph([], "body", [], [])
    names = {"If": ["then_branch", "else_branch"], "Loop": ["body"], "Scan": ["body"]}[op]
    graph.add(op, name="flow", **dict.fromkeys(names, body))
    _refused(tmp_path, _end(graph), rf"node flow \({op}\): is control flow.*fixed shapes.*onnxsim")


def _dropout(place: str, ratio: float = 0.5) -> onnx.ModelProto:
    graph = _begun()
    for at, op in (("input", None), ("hidden", "MatMul"), ("tail", "MatMul")):
        if op is not None:
            graph.add("MatMul", bipolar(RNG, 6, 6))
        if place == at:
            graph.add("Dropout", np.float32(ratio), np.array(True), name="drop")
        if at == "hidden":
            graph.add("BipolarQuant", ONE)
    return graph.model()


@pytest.mark.parametrize("place", ["input", "hidden", "tail"])
def test_dropout_in_training_mode(tmp_path: Path, place: str) -> None:
    message = r"node drop \(Dropout\): is in training mode: it drops .* — .*model\.eval\(\)"
    _refused(tmp_path, _dropout(place), message)


def test_dropout_of_nothing_is_no_obstacle(tmp_path: Path) -> None:
    onnx.save(_dropout("hidden", 0.0), tmp_path / "m.onnx")
    lower_model(tmp_path / "m.onnx", LoweringConfig())


@pytest.mark.parametrize("opset", [9, 17])
def test_batch_normalization_in_training_mode(tmp_path: Path, opset: int) -> None:
    """Up to opset 13 it says so by having more outputs than one."""
    graph = _hidden()
    attributes = {"training_mode": 1} if opset > 13 else {}
    graph.add("BatchNormalization", *[np.ones(5)] * 4, name="bn", **attributes)
    graph.nodes[-1].output.extend(["mean", "variance"])
    _end(graph)
    message = r"node bn \(BatchNormalization\): is in training mode.*model\.eval\(\)"
    _refused(tmp_path, graph.model(opset), message)


def _with(value: float, place: str) -> onnx.ModelProto:
    """A network with one odd number among its constants."""
    rows = {name: np.ones(5, np.float32) for name in ("scale", "shift", "mean", "variance")}
    weights, bias = bipolar(RNG, 5, 2), np.zeros(2, np.float32)
    {**rows, "bias": bias}.get(place, weights.reshape(-1))[1] = value
    graph = _hidden()
    graph.add("BatchNormalization", *rows.values(), name="norm")
    graph.add("BipolarQuant", ONE)
    graph.constants.append(onnx.numpy_helper.from_array(weights, "latent"))
    graph.nodes.append(helper.make_node("Sign", ["latent"], ["signs"], name="sign"))
    graph.add("MatMul", "signs")
    graph.add("Add", bias, name="add")
    return graph.model()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("place", "node"),
    [
        *((name, "norm") for name in ("scale", "shift", "mean", "variance")),
        ("weights", "sign"),
        ("bias", "add"),
    ],
)
def test_numbers_that_are_not_finite(tmp_path: Path, value: float, place: str, node: str) -> None:
    what = "NaN" if np.isnan(value) else "infinity"
    message = rf"node {node} .*its tensor \w+ holds {what} in 1 of \d+ places, first at \[.*1\] — "
    _refused(tmp_path, _with(value, place), message + "the training diverged")


@pytest.mark.parametrize("value", [-1.0, -1e-5])
def test_a_variance_that_is_not_positive(tmp_path: Path, value: float) -> None:
    message = r"node norm .*its variance \(tensor \w+\) is -.* in channel 1, wanted more than 0"
    _refused(tmp_path, _with(value, "variance"), message)


def test_infinite_bounds_are_no_obstacle(tmp_path: Path) -> None:
    graph = _hidden()
    graph.add("Clip", np.float32(-np.inf), np.float32(np.inf))
    onnx.save(_end(graph), tmp_path / "m.onnx")
    lower_model(tmp_path / "m.onnx", LoweringConfig())


def _edited(edit: Callable[[Any], None]) -> onnx.ModelProto:
    model = _end(_hidden())
    edit(model.graph)
    return model


def _second_input(name: str, used: bool) -> Callable[[Any], None]:
    def edit(graph: Any) -> None:
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2)))
        if used:
            graph.node.append(helper.make_node("Add", [graph.output[0].name, name], ["sum"]))
            graph.output[0].name = "sum"

    return edit


def _unstored(graph: Any) -> None:
    weights = graph.node[1].input[1]
    (stored,) = [tensor for tensor in graph.initializer if tensor.name == weights]
    graph.input.append(helper.make_tensor_value_info(weights, TensorProto.FLOAT, stored.dims))
    graph.initializer.remove(stored)


def _lost(graph: Any) -> None:
    graph.node[1].input[1] = "lost"


def _no_maker(graph: Any) -> None:
    graph.output[0].name = "nowhere"


def _only_input(graph: Any) -> None:
    graph.output[0].name = "x"


def _twice(graph: Any) -> None:
    graph.node[1].output[0] = graph.node[2].output[0]


def _loop(graph: Any) -> None:
    graph.node[0].input[0] = graph.node[1].output[0]


def _two_outputs(graph: Any) -> None:
    graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 6)))


def _truncated(graph: Any) -> None:
    graph.initializer[1].raw_data = graph.initializer[1].raw_data[:8]


def _sparse(graph: Any) -> None:
    sparse = graph.sparse_initializer.add()
    sparse.values.CopyFrom(graph.initializer[1])
    del graph.initializer[1]


def _of_sequence(place: str) -> Callable[[Any], None]:
    def edit(graph: Any) -> None:
        value = getattr(graph, place)[0]
        value.CopyFrom(helper.make_tensor_sequence_value_info(value.name, TensorProto.FLOAT, None))

    return edit


def _of_type(kind: int) -> Callable[[Any], None]:
    def edit(graph: Any) -> None:
        graph.input[0].type.tensor_type.elem_type = kind

    return edit


def _of_shape(*sizes: int | str) -> Callable[[Any], None]:
    def edit(graph: Any) -> None:
        graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes))

    return edit


def _shapeless(graph: Any) -> None:
    graph.input[0].type.tensor_type.ClearField("shape")


def _empty(graph: Any) -> None:
    del graph.node[:]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_second_input("meta", True), r"one graph input, got 2 \(x, meta\) — .*join them on the"),
        (_second_input("meta", False), r"got 2 \(x, meta\): meta is not used — remove it"),
        (_unstored, r"is a parameter of node fc0 \(MatMul\).*export_params=True"),
        (_two_outputs, r"wanted one graph output, got 2 \(.*, x\) — keep the logits or the class"),
        (_lost, r"node fc0 \(MatMul\): its input lost is made by no node, and not stored — export"),
        (_no_maker, r"output nowhere is made by no node — name the tensor"),
        (_only_input, r"output x is the graph's input.*wanted binary layers"),
        (_twice, r"tensor \w+ is made twice, by node fc0 .* and node .* — give every tensor"),
        (_loop, r"node bipolarquant_0 .*depends on what it makes itself — export a graph without"),
        (_truncated, r"constant 'c1' is damaged: its shape \[6, 5\] takes 120 bytes, 8 are"),
        (_sparse, r"has sparse constants, wanted dense ones — store dense tensors"),
        (
            _of_sequence("input"),
            r"input x is a sequence, wanted a tensor — export the net",
        ),
        (_of_sequence("output"), r"output t\d is a sequence, wanted a tensor"),
        (_of_type(TensorProto.STRING), r"input x holds text, wanted float32 — export the network"),
        (_of_type(TensorProto.COMPLEX64), r"input x holds complex numbers"),
        (_of_type(TensorProto.FLOAT16), r"input x is FLOAT16, .*export a float32 input, or cast"),
        (_of_type(TensorProto.DOUBLE), r"input x is DOUBLE, .*export a float32 input"),
        (_of_shape(6), r"input x: wanted a leading batch dimension, got rank 1 — .*\(batch, …\)"),
        (_of_shape(1, "width"), r"dimension 1 is dynamic, only the batch may be — export with a"),
        (_of_shape(1, 0), r"input x: dimension 1 is 0, wanted 1 or more"),
        (_shapeless, r"input x: its shape is not in the file — export with a fixed input shape"),
        (_of_shape(1, 7), r"node fc0 .*its weights want 6 channels, its data \(1, 7\) have 7"),
        (_empty, r"its graph is empty — export the network again"),
    ],
)
def test_graphs_that_are_no_networks(
    tmp_path: Path, edit: Callable[[Any], None], message: str
) -> None:
    _refused(tmp_path, _edited(edit), message)


def _image(shape: tuple[int, ...], kernel: tuple[int, ...], **attributes: Any) -> onnx.ModelProto:
    graph = _begun(shape)
    graph.add("Conv", bipolar(RNG, *kernel), name="conv", **attributes)
    graph.add("Flatten")
    return graph.model()


def _unsqueezed() -> onnx.ModelProto:
    graph = _begun((2, 6, 6))
    graph.add("Unsqueeze", np.array([0], np.int64))
    graph.add("Conv", bipolar(RNG, 3, 2, 6, 6), name="conv")
    graph.add("Flatten")
    return graph.model()


def _flattened() -> onnx.ModelProto:
    graph = _begun((6, 2))
    graph.add("Reshape", np.array([1, 12], np.int64), name="flat")
    graph.add("MatMul", bipolar(RNG, 12, 3))
    return graph.model()


def _biased() -> onnx.ModelProto:
    graph = _hidden()
    graph.add("Add", np.zeros(7), name="bias")
    return _end(graph)


def _gemm_bias() -> onnx.ModelProto:
    graph = _begun()
    graph.add("Gemm", bipolar(RNG, 6, 2), np.zeros(3), name="gemm")
    return graph.model()


def _wrong_thresholds() -> onnx.ModelProto:
    graph = _hidden()
    graph.add("MultiThreshold", np.zeros((3, 1)), out_dtype="BINARY", name="steps")
    return _end(graph)


def _odd(op: str, *constants: Any, **attributes: Any) -> onnx.ModelProto:
    graph = _hidden()
    graph.add(op, *constants, name="odd", **attributes)
    return _end(graph)


def _foreign_op() -> onnx.ModelProto:
    graph = _hidden()
    graph.add("Relu", name="odd")
    graph.nodes[-1].domain = "qonnx.custom_op.general"
    return _end(graph)


def _wrong_domain() -> onnx.ModelProto:
    graph = _hidden()
    graph.add("BipolarQuant", ONE, name="odd")
    graph.nodes[-1].domain = ""
    return _end(graph)


def _no_scale() -> onnx.ModelProto:
    graph = _hidden()
    graph.add(
        "Quant", np.float32(0), np.float32(0), np.float32(2), signed=1, narrow=0, name="quant"
    )
    return _end(graph)


BATCH = r"the first dimension of the input, .* is taken as the batch: .* of shape \(batch, …\)"
FIRST = r"channels come first, \(N, C, H, W\): transpose"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_image((2, 6, 6), (3, 2, 6, 6)), rf"node conv .*wanted data \(N, C, H, W\), .* — {BATCH}"),
        (_unsqueezed(), rf"node conv .*want 2 channels, its data \(1, 1, 6, 6\) .* — {BATCH}"),
        (_flattened(), rf"node flat .*makes \(1, 12\) of data \(1, 2\) — {BATCH}"),
        (_image((1, 6, 6, 2), (3, 2, 3, 3)), rf"node conv .*\(1, 6, 6, 2\) have 6 — {FIRST}"),
        (_image((1, 3, 6, 6), (3, 2, 6, 6)), "node conv .*want 2 channels, .* have 3"),
        (_image((1, 2, 4, 4), (3, 2, 6, 6)), r"node conv .*window is larger than its data, \(1, 2"),
        (_image((1, 2, 6), (3, 2, 8)), r"node conv .*window is larger than its data, \(1, 2, 6\)"),
        (
            _image((1, 2, 4, 4, 4), (3, 2, 2, 2, 2)),
            "node conv .*got 5 — only .* along one axis, can",
        ),
        (_image((1, 2, 6, 6), (3, 2, 6, 6), strides=[0, 1]), r"node conv .*strides: wanted 1 to"),
        (_image((1, 2, 6, 6), (3, 2, 6, 6), pads=[-1, 0, 0, 0]), r"node conv .*pads: wanted 0 to"),
        (_image((1, 2, 6, 6), (3, 2, 6, 6), pads=[1, 1]), r"node conv .*pads has incorrect size"),
        (
            _image((1, 2, 6, 6), (3, 2, 6, 6), group=2),
            "node conv .*wanted a group that divides its 3 ",
        ),
        (
            _biased(),
            r"node bias \(Add\): its output shape is not known, from data .*\(7,\)",
        ),
        (_gemm_bias(), r"node gemm \(Gemm\): wanted a bias for its 2 outputs, got shape \(3,\)"),
        (_wrong_thresholds(), r"node steps .*has thresholds for 3 channels, .*\(1, 5\) — give"),
        (
            _odd("Relu", alpha=0.1),
            r"node odd \(Relu\): has no attribute alpha in opset 17 — export",
        ),
        (_odd("Cast"), r"node odd \(Cast\): its attribute to is missing — export it again"),
        (_odd("Clip", *[ONE] * 3), r"node odd \(Clip\): wanted 1 to 3 inputs, got 4 — export it"),
        (_odd("TopK", np.array([1])), r"node odd \(TopK\): wanted 2 outputs, got \w+ — export it"),
        (
            _odd("Quant", *[ONE] * 3, signed=1),
            r"node odd \(Quant\): its attribute narrow is missing",
        ),
        (
            _wrong_domain(),
            r"node odd \(BipolarQuant\): is an op of QONNX, in ONNX's own domain — its",
        ),
        (_foreign_op(), r"node odd \(Relu\): QONNX has no such op .* — wanted one of BipolarQuant"),
        (_odd("Mul", np.ones((4, 3, 5))), r"node odd \(Mul\): wanted one value per output of fc0"),
        (_odd("BipolarQuant", np.ones((1, 3))), r"constants \(1, 3\) do not fit its data \(1, 5\)"),
        (
            _image((1, 2, 6, 6), (3, 2)),
            r"node conv .*wanted 4 weight dimensions, got 2 — wanted ker",
        ),
        (_no_scale(), r"node quant \(Quant\): its scale is 0, wanted more than 0 — export a"),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, model: onnx.ModelProto, message: str) -> None:
    _refused(tmp_path, model, message)


def test_what_nothing_needs_is_no_obstacle(tmp_path: Path) -> None:
    graph = _hidden()
    last = graph.last
    graph.add("LayerNormalization", np.ones(5))
    graph.last = last
    onnx.save(_end(graph), tmp_path / "m.onnx")
    lower_model(tmp_path / "m.onnx", LoweringConfig())


def test_all_obstacles_are_told_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    graph = Graph((1, 9))
    for number, (inputs, outputs) in enumerate(((9, 7), (7, 6), (6, 5))):
        graph.add("BipolarQuant", np.float32(1))
        real = rng.normal(0, 1, (inputs, outputs))
        weights = bipolar(rng, inputs, outputs) if number == 1 else real
        graph.add("MatMul", weights, name=f"fc{number}")
    with pytest.raises(
        LoweringError, match=r"^2 obstacles: node fc0 .* — .*; node fc2 .* — "
    ) as got:
        lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig())
    assert "fc1" not in str(got.value) and "\n" not in str(got.value)


def test_of_many_obstacles_the_first_are_told(tmp_path: Path) -> None:
    graph = Graph((1, 9))
    for number in range(14):
        graph.add("NonZero", name=f"odd{number}")
    with pytest.raises(LoweringError, match=r"^14 obstacles: node odd0 .*odd9.*; and 4 more$"):
        lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig())
