"""Other tools' ways to write what the lowering knows: each gives the file's own answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.cleanup import cleanup_model
from qonnx.util.to_channels_last import to_channels_last

from bnnedge.errors import LoweringError
from bnnedge.lowering import Lowered, LoweringConfig, SignZero, lower_model
from tests.lowering.graphs import QONNX, Graph, bipolar, execute

PLUS = LoweringConfig(sign_zero=SignZero.PLUS, check_images=16)
RNG = np.random.default_rng(7)
INPUTS = RNG.normal(0, 1, (12, 2, 8, 8)).astype(np.float32)


def _maps(shape: tuple[int, ...] = (1, 2, 8, 8)) -> Graph:
    """Five channels of 8 x 8 bits."""
    graph = Graph(shape)
    graph.add("BipolarQuant", np.float32(1))
    if shape[1] == 8:
        graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("Conv", bipolar(RNG, 5, 2, 3, 3), pads=[1] * 4)
    graph.add("Add", RNG.integers(-4, 4, (5, 1, 1)) + 0.5)
    return graph


def _classify(graph: Graph) -> None:
    graph.add("Conv", bipolar(RNG, 3, 5, 1, 1))


def _reduce(graph: Graph, opset: int, op: str, axes: list[int], **given: Any) -> None:
    since = 13 if op == "ReduceSum" else 18
    if opset < since:
        graph.add(op, axes=axes, **given)
    else:
        graph.add(op, np.array(axes), **given)


def _same(path: Path, graph: Graph, opset: int = 17, x: Any = INPUTS) -> Lowered:
    graph.save(path, opset=opset)
    lowered = lower_model(path, PLUS)
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x).reshape(len(x), -1))
    return lowered


@pytest.mark.parametrize("opset", [7, 13, 18])
@pytest.mark.parametrize(
    "steps",
    [
        [([-1], 0), ([-1], 0)],
        [([2], 1), ([3], 1)],
        [([3], 1), ([2], 0)],
        [([2], 0), ([-1], 1)],
        [([2, 3], 0)],
    ],
)
def test_means_in_two_steps(tmp_path: Path, opset: int, steps: list[Any]) -> None:
    graph = _maps()
    graph.add("BipolarQuant", np.float32(1))
    _classify(graph)
    for axes, keepdims in steps:
        _reduce(graph, opset, "ReduceMean", axes, keepdims=keepdims)
    assert not _same(tmp_path / "net.onnx", graph, opset).facts["remarks"]


def test_a_mean_of_rounded_means_is_one_mean(tmp_path: Path) -> None:
    graph = Graph((1, 2, 7, 7))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Conv", bipolar(RNG, 3, 2, 1, 1))
    graph.add("ReduceMean", axes=[3], keepdims=0, name="rows")
    graph.add("ReduceMean", axes=[2], keepdims=0, name="all")
    path = graph.save(tmp_path / "net.onnx")
    x = RNG.normal(0, 1, (20, 2, 7, 7)).astype(np.float32)

    lowered = lower_model(path, PLUS)

    assert np.allclose(lowered.dataflow.logits(x), execute(path, x), rtol=0, atol=1e-6)
    assert "node rows (ReduceMean): averages rows" in lowered.facts["remarks"][0]


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape"])
def test_means_of_flattened_maps(tmp_path: Path, flatten: str) -> None:
    graph = _maps()
    graph.add("BipolarQuant", np.float32(1))
    _classify(graph)
    graph.add("Reshape", np.array([1, 3, 64]))
    graph.add("ReduceMean", axes=[2], keepdims=0)
    _same(tmp_path / "net.onnx", graph)


@pytest.mark.parametrize("opset", [7, 17, 18])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax"])
@pytest.mark.parametrize("last", [False, True])
def test_reductions_of_maps(tmp_path: Path, op: str, keepdims: int, last: bool, opset: int) -> None:
    graph = _maps((1, 8, 8, 2) if last else (1, 2, 8, 8))
    if last:
        graph.add("Transpose", perm=[0, 2, 3, 1])
        graph.add("Mul", np.float32([1, -2, 4, 1, 1]))
    _reduce(graph, opset, op, [1, 2] if last else [2, 3], keepdims=keepdims)
    if last or not keepdims:
        graph.add("Reshape", np.array([1, -1]))
        graph.add("BipolarQuant", np.float32(1))
    else:
        graph.add("BipolarQuant", np.float32(1))
        graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 5, 3))
    _same(tmp_path / "net.onnx", graph, opset, INPUTS.transpose(0, 2, 3, 1) if last else INPUTS)


def test_nodes_on_channels_last(tmp_path: Path) -> None:
    graph = _maps((1, 8, 8, 2))
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("Quant", np.float32(0.5), np.float32(0), np.float32(3), signed=1, narrow=0)
    quantised = graph.last
    graph.add("Slice", *(np.array(one) for one in ([0, 0], [99, 99], [1, 2], [2, 2])))
    first = graph.last
    graph.last = quantised
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("Concat", first, axis=-1)
    graph.add("Pad", np.array([0, 1, 1, 0, 0, 1, 1, 0]), np.float32(0))
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("Conv", bipolar(RNG, 4, 10, 3, 3))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Transpose", perm=[0, 2, 3, 1])
    graph.add("Reshape", np.array([-1, 64]))
    graph.add("MatMul", bipolar(RNG, 64, 3))
    _same(tmp_path / "net.onnx", graph, x=INPUTS.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("input_last", [False, True])
def test_qonnx_channels_last(tmp_path: Path, input_last: bool) -> None:
    graph = _maps()
    graph.add("BatchNormalization", *RNG.uniform(0.5, 2, (4, 5)).astype(np.float32))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)
    graph.add("Conv", bipolar(RNG, 5, 1, 3, 3), pads=[1] * 4, group=5)
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 80, 3))
    for node in graph.nodes:
        if node.op_type == "Conv":
            names = {given.name for given in node.attribute}
            given = {"strides": [1, 1], "dilations": [1, 1], "kernel_shape": [3, 3], "group": 1}
            for key, value in given.items():
                if key not in names:
                    node.attribute.append(helper.make_attribute(key, value))
    path = graph.save(tmp_path / "net.onnx")
    wanted = execute(path, INPUTS)
    cleanup_model(ModelWrapper(str(path))).save(str(path))
    last = tmp_path / "last.onnx"
    to_channels_last(str(path), make_input_channels_last=input_last, out_file=str(last))
    assert any("channels_last" in node.domain for node in ModelWrapper(str(last)).graph.node)

    lowered = lower_model(last, PLUS)

    x = INPUTS.transpose(0, 2, 3, 1) if input_last else INPUTS
    assert np.array_equal(lowered.dataflow.logits(x), wanted)


def _qcdq(graph: Graph, scale: float, zero: Any, clip: tuple[int, int] | None) -> None:
    graph.add("QuantizeLinear", np.float32(scale), zero)
    if clip is not None:
        graph.add("Clip", *(np.array(one, zero.dtype) for one in clip))
    graph.add("DequantizeLinear", np.float32(scale), zero)


@pytest.mark.parametrize(
    ("zero", "clip"),
    [
        (np.int8(0), None),
        (np.int8(0), (-127, 127)),
        (np.int8(0), (-8, 7)),
        (np.int8(0), (0, 3)),
        (np.int8(3), (-1, 9)),
        (np.uint8(0), None),
        (np.uint8(128), None),
        (np.uint8(0), (0, 1)),
        (np.uint8(7), (2, 30)),
    ],
)
@pytest.mark.parametrize("scale", [0.25, 0.037])
def test_qcdq(tmp_path: Path, zero: Any, clip: tuple[int, int] | None, scale: float) -> None:
    graph = Graph((1, 12))
    _qcdq(graph, scale, zero, clip)
    graph.nodes.append(_dequantised(graph, bipolar(RNG, 12, 9)))
    graph.add("MatMul", graph.nodes[-1].output[0])
    graph.add("Mul", RNG.uniform(-0.2, 0.2, 9))
    _qcdq(graph, 0.25, np.int8(0), (-3, 3))
    graph.add("MatMul", bipolar(RNG, 9, 4))
    path = graph.save(tmp_path / "net.onnx")
    x = RNG.normal(0, 2, (40, 12)).astype(np.float32)
    dataflow = lower_model(path, PLUS).dataflow
    exact = scale == 0.25
    wanted = execute(path, x)
    assert np.allclose(dataflow.logits(x), wanted, rtol=0, atol=0 if exact else 1e-4)


def _dequantised(graph: Graph, weights: Any) -> Any:
    names = [graph.constant(v) for v in (weights.astype(np.int8), np.float32(1), np.int8(0))]
    return helper.make_node("DequantizeLinear", names, ["weights"], name="weights")


@pytest.mark.parametrize("kind", [TensorProto.INT8, TensorProto.UINT8, None])
def test_qcdq_whose_type_is_an_attribute(tmp_path: Path, kind: int | None) -> None:
    graph = Graph((1, 12))
    given = {} if kind is None else {"output_dtype": kind}
    graph.add("QuantizeLinear", np.float32(0.5), **given)
    graph.add("DequantizeLinear", np.float32(0.5))
    graph.add("MatMul", bipolar(RNG, 12, 3))
    x = np.concatenate([RNG.normal(0, 2, (20, 12)), RNG.normal(0, 99, (20, 12))])
    _same(tmp_path / "net.onnx", graph, 21, x.astype(np.float32))


def test_qcdq_of_maps_and_integers(tmp_path: Path) -> None:
    """A uint8 input that is dequantised, and a pool between the quantiser and its end."""
    graph = Graph((1, 2, 8, 8))
    graph.input.type.tensor_type.elem_type = TensorProto.UINT8
    graph.add("DequantizeLinear", np.float32(0.5), np.uint8(128))
    graph.add("Conv", bipolar(RNG, 4, 2, 3, 3), pads=[1] * 4)
    graph.add("QuantizeLinear", np.float32(64), np.int8(0))
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Reshape", np.array([1, 64]))
    graph.add("DequantizeLinear", np.float32(64), np.int8(0))
    graph.add("MatMul", bipolar(RNG, 64, 3))
    path = graph.save(tmp_path / "net.onnx")
    x = RNG.integers(0, 256, (10, 2, 8, 8))
    wanted = np.concatenate([execute(path, image[None].astype(np.uint8)) for image in x])
    assert np.array_equal(lower_model(path, PLUS).dataflow.logits(x), wanted)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda g: _qcdq(g, np.full(12, 0.5), np.zeros(12, np.int8), None),
            "one constant scale and zero point, got 12",
        ),
        (
            lambda g: (
                g.add("QuantizeLinear", np.float32(0.5), np.int8(0)),
                g.add("DequantizeLinear", np.float32(0.25), np.int8(0)),
            ),
            "by scale 0.25 and zero point 0 what was quantised by 0.5",
        ),
    ],
)
def test_qcdq_that_is_refused(tmp_path: Path, build: Callable[[Graph], Any], message: str) -> None:
    graph = Graph((1, 12))
    build(graph)
    graph.add("MatMul", bipolar(RNG, 12, 3))
    with pytest.raises(LoweringError, match=message):
        lower_model(graph.save(tmp_path / "net.onnx"), PLUS)


@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("scale", [1, 0.25])
def test_trunc(tmp_path: Path, opset: int, mode: str, version: int, scale: float) -> None:
    graph = _maps()
    graph.add("Relu")
    graph.add("Quant", np.float32(scale), np.float32(0), np.float32(2), signed=0, narrow=0)
    graph.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Mul", np.float32(4))
    names = [graph.last, *map(graph.constant, np.float32([scale, 0, 4]))]
    names += map(graph.constant, np.float32([2] if version == 1 else [4 * scale, 2]))
    _append(graph, "Trunc", names, rounding_mode=mode, **({"signed": 0} if version == 2 else {}))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 80, 3))
    model = graph.model(opset)
    model.opset_import[1].version = version
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    dataflow = lower_model(path, PLUS).dataflow
    assert np.array_equal(dataflow.logits(INPUTS), execute(path, INPUTS))


def _append(graph: Graph, op: str, names: list[str], **attributes: Any) -> None:
    output = f"t{len(graph.nodes)}"
    domain = QONNX if op == "Trunc" else ""
    graph.nodes.append(
        helper.make_node(op, names, [output], name=f"{op}_{output}", domain=domain, **attributes)
    )
    graph.last = output


@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize(
    ("value", "before"),
    [
        (0, [("Relu", ())]),
        (0, [("Clip", (0, 3))]),
        (-1, [("BipolarQuant", (1,))]),
        (-np.inf, []),
        (-3.4028234663852886e38, []),
    ],
)
def test_pads_before_a_maximum(tmp_path: Path, opset: int, value: float, before: Any) -> None:
    graph = _maps()
    for op, constants in before:
        if op == "Clip" and opset < 11:
            graph.add(op, min=float(constants[0]), max=float(constants[1]))
        else:
            graph.add(op, *map(np.float32, constants))
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    if opset < 11:
        graph.add("Pad", pads=pads, value=float(value), mode="constant")
    else:
        graph.add("Pad", np.array(pads), np.float32(value))
    graph.add("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
    graph.add("Sub", np.float32(0.5))
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 80, 3))
    _same(tmp_path / "net.onnx", graph, opset)


def test_pads_before_an_average(tmp_path: Path) -> None:
    graph = _maps()
    graph.add("BipolarQuant", np.float32(1))
    graph.add("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(0))
    graph.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, 125, 3))
    _same(tmp_path / "net.onnx", graph)


@pytest.mark.parametrize("form", ["x + (q - x)", "(q - x) + x", "x - (x - q)"])
@pytest.mark.parametrize("through", [False, True])
def test_straight_through(tmp_path: Path, form: str, through: bool) -> None:
    """Of weights and of activations; through a Clip, as Bi-Real's gradient goes."""
    graph = Graph((1, 12))

    def binarise(value: str) -> str:
        _append(graph, "Sign", [value])
        sign = graph.last
        if through:
            _append(graph, "Clip", [value, graph.constant(-1.0), graph.constant(1.0)])
            value = graph.last
        pairs = {"x": value, "q": sign}
        first, second = ("x", "q") if form.startswith("x - (") else ("q", "x")
        _append(graph, "Sub", [pairs[first], pairs[second]])
        _append(graph, "Identity", [graph.last])
        operands = [graph.last, value] if form.startswith("(") else [value, graph.last]
        _append(graph, "Sub" if form.startswith("x - (") else "Add", operands)
        return graph.last

    bits = binarise("x")
    weights = binarise(graph.constant(RNG.normal(0, 0.1, (12, 9))))
    _append(graph, "MatMul", [bits, weights])
    graph.add("BatchNormalization", *RNG.uniform(0.5, 2, (4, 9)).astype(np.float32))
    binarise(graph.last)
    graph.add("MatMul", bipolar(RNG, 9, 3))
    path = graph.save(tmp_path / "net.onnx")
    x = RNG.normal(0, 1, (30, 12)).astype(np.float32)

    lowered = lower_model(path, PLUS)

    assert np.allclose(lowered.dataflow.logits(x), execute(path, x), rtol=0, atol=1e-4)
    assert any("and 2 more: straight-through form" in text for text in lowered.facts["remarks"])
