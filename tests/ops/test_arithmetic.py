"""What torch, numpy and onnxruntime compute on this processor, bit by bit.

Elementwise operations that exactness relies on must be rounded as IEEE 754 says, everywhere.
Others may differ from processor to processor: they are counted (`pytest -rP` shows the counts),
and must not occur on the way from a checkpoint to a threshold.
"""

import ast
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

import bnnedge
from bnnedge.ops.exact import square_root
from bnnedge.ops.surrogates import sign
from tests.floats import any_floats, any_pairs

_COUNT = 60_001  # no multiple of a vector: rests are computed by other code
Array = NDArray[Any]
Function = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation in three libraries, and what it should give.

    Attributes:
        exact: numpy arrays → the right answer. Of float32 it is found in float64, whose rounding
            to float32 is the one rounding that counts: 53 digits are at least 2 · 24 + 2
            (Figueroa, "When is double rounding innocuous?", 1995).
        onnx: operator and attributes; float32 in, one tensor out.
        zeros_have_signs: whether the sign of a zero is the operation's to decide.
    """

    exact: Function
    numpy: Function | None = None
    torch: Function | None = None
    onnx: tuple[str, dict[str, Any]] | None = None
    inputs: int = 1
    zeros_have_signs: bool = True


def _wide(function: Function) -> Function:
    return lambda *x: function(*(value.astype(np.float64) for value in x)).astype(np.float32)


def _binary(name: str, onnx: str) -> Operation:
    function, torch_function = getattr(np, name), getattr(torch, name)
    return Operation(
        exact=_wide(function), numpy=function, torch=torch_function, onnx=(onnx, {}), inputs=2
    )


RELIED_ON = {
    "add": _binary("add", "Add"),
    "subtract": _binary("subtract", "Sub"),
    "multiply": _binary("multiply", "Mul"),
    "divide": _binary("divide", "Div"),
    "greater_equal": _binary("greater_equal", "GreaterOrEqual"),
    "square root": Operation(exact=_wide(np.sqrt), numpy=np.sqrt, torch=square_root),
    "multiply, then add": Operation(
        exact=lambda x, y: _wide(np.add)(_wide(np.multiply)(x, y), y),
        numpy=lambda x, y: x * y + y,
        torch=lambda x, y: x * y + y,
        inputs=2,
    ),
    "sign": Operation(
        exact=lambda x: np.array([1.0 if v >= 0 else -1.0 for v in x.tolist()], np.float32),
        numpy=lambda x: np.where(x >= 0, np.float32(1), np.float32(-1)),
        torch=sign,
    ),
    "round": Operation(
        exact=lambda x: np.array([_half_even(v) for v in x.tolist()], np.float32),
        numpy=np.rint,
        torch=torch.round,
        onnx=("Round", {}),
    ),
    "floor": Operation(
        exact=_wide(np.floor), numpy=np.floor, torch=torch.floor, onnx=("Floor", {})
    ),
    "clip": Operation(
        exact=lambda x: np.array([_clip(v) for v in x.tolist()], np.float32),
        numpy=lambda x: np.clip(x, np.float32(-7), np.float32(8)),
        torch=lambda x: x.clamp(-7, 8),
        zeros_have_signs=False,
    ),
    "relu": Operation(
        exact=lambda x: np.array([v if v > 0 or v != v else 0.0 for v in x.tolist()], np.float32),
        numpy=lambda x: np.maximum(x, np.float32(0)),
        torch=torch.relu,
        onnx=("Relu", {}),
        zeros_have_signs=False,
    ),
    "to float64 and back": Operation(
        exact=lambda x: x,
        numpy=lambda x: x.astype(np.float64).astype(np.float32),
        torch=lambda x: x.double().float(),
    ),
    "float64 to float32": Operation(
        exact=lambda x: (x.astype(np.float64) / 3).astype(np.float32),
        numpy=lambda x: (x.astype(np.float64) / 3).astype(np.float32),
        torch=lambda x: (x.double() / 3).float(),
    ),
    "power of two": Operation(
        exact=_wide(lambda x: x * 2.0**-5), numpy=lambda x: x * np.float32(2**-5),
        torch=lambda x: x * (1 / 32),
    ),
}  # fmt: skip

NOT_RELIED_ON = {
    "sqrt": Operation(exact=_wide(np.sqrt), torch=torch.sqrt, onnx=("Sqrt", {})),
    "rsqrt": Operation(exact=_wide(lambda x: 1 / np.sqrt(x)), torch=torch.rsqrt),
    "reciprocal": Operation(
        exact=_wide(np.reciprocal), numpy=np.reciprocal, torch=torch.reciprocal,
        onnx=("Reciprocal", {}),
    ),
    "exp": Operation(exact=_wide(np.exp), numpy=np.exp, torch=torch.exp, onnx=("Exp", {})),
    "log": Operation(exact=_wide(np.log), numpy=np.log, torch=torch.log, onnx=("Log", {})),
    "tanh": Operation(exact=_wide(np.tanh), numpy=np.tanh, torch=torch.tanh, onnx=("Tanh", {})),
    "sigmoid": Operation(
        exact=_wide(lambda x: 1 / (1 + np.exp(-x))), torch=torch.sigmoid, onnx=("Sigmoid", {})
    ),
    "power": Operation(
        exact=_wide(np.power), numpy=np.power, torch=torch.pow, onnx=("Pow", {}), inputs=2
    ),
}  # fmt: skip


def _half_even(value: float) -> float:
    """Python's `round`, with the sign of zero and without an error at infinity and NaN."""
    if not np.isfinite(value):
        return value
    return float(np.copysign(round(value), value))


def _clip(value: float) -> float:
    return value if value != value else min(max(value, -7.0), 8.0)


def _inputs(operation: Operation) -> tuple[Array, ...]:
    rng = np.random.default_rng(4)
    return (any_floats(rng, _COUNT),) if operation.inputs == 1 else any_pairs(rng, _COUNT)


def _run_onnx(operator: str, attributes: dict[str, Any], inputs: tuple[Array, ...]) -> Array:
    names = [f"x{index}" for index in range(len(inputs))]
    node = helper.make_node(operator, names, ["out"], **attributes)
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph([node], "one", infos, [helper.make_empty_tensor_value_info("out")])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    result: Array = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return result


def _answers(operation: Operation, inputs: tuple[Array, ...]) -> Iterator[tuple[str, Array]]:
    """What each library gives, by its name."""
    if operation.numpy is not None:
        yield "numpy", operation.numpy(*inputs)
    if operation.torch is not None:
        yield "torch", operation.torch(*map(torch.from_numpy, inputs)).numpy()
    if operation.onnx is not None:
        yield "onnxruntime", _run_onnx(*operation.onnx, inputs)


def _different(operation: Operation, got: Array, wanted: Array) -> NDArray[np.bool_]:
    """Where bits differ; one NaN is as good as another."""
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    if wanted.dtype == np.bool_ or not operation.zeros_have_signs:
        return np.asarray((got != wanted) & ~((got != got) & (wanted != wanted)))
    return np.asarray(
        (got.view(np.int32) != wanted.view(np.int32)) & ~((got != got) & (wanted != wanted))
    )


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("name", RELIED_ON)
def test_operations_that_exactness_relies_on_are_correctly_rounded(name: str) -> None:
    operation = RELIED_ON[name]
    inputs = _inputs(operation)
    wanted = operation.exact(*inputs)
    if name == "greater_equal":
        wanted = inputs[0] >= inputs[1]
    for library, got in _answers(operation, inputs):
        for index in np.flatnonzero(_different(operation, got, wanted))[:1]:
            given = ", ".join(f"{value[index]!r}" for value in inputs)
            raise AssertionError(
                f"{library}: {name}({given}) is {got[index]!r}, not {wanted[index]!r}"
            )


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("batch", [1, 16])
def test_convolutions_of_integers_are_exact(kernel: int, batch: int) -> None:
    """No library may transform them, as Winograd's algorithm does, or round operands."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 256, (batch, 32, 11, 11)).astype(np.float32)
    weights = rng.choice([-1.0, 1.0], (48, 32, kernel, kernel)).astype(np.float32)
    weights[0] = 1
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64), (kernel, kernel), (2, 3))
    wanted = np.einsum("nchwij,ocij->nohw", windows, weights.astype(np.int64), optimize=True)
    got = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weights))
    assert np.array_equal(got.numpy(), wanted)
    assert np.array_equal(_run_onnx("Conv", {}, (x, weights)), wanted)


def test_products_of_matrices_of_integers_are_exact() -> None:
    rng = np.random.default_rng(7)
    x = rng.integers(0, 256, (33, 30_001)).astype(np.float32)
    weights = rng.choice([-1.0, 1.0], (30_001, 17)).astype(np.float32)
    weights[:, 0] = 1
    wanted = x.astype(np.int64) @ weights.astype(np.int64)
    assert np.array_equal(x @ weights, wanted)
    assert np.array_equal((torch.from_numpy(x) @ torch.from_numpy(weights)).numpy(), wanted)
    assert np.array_equal(_run_onnx("MatMul", {}, (x, weights)), wanted)


@pytest.mark.parametrize("name", NOT_RELIED_ON)
def test_operations_that_exactness_does_not_rely_on_are_counted(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    operation = NOT_RELIED_ON[name]
    inputs = _inputs(operation)
    wanted = operation.exact(*inputs)
    for library, got in _answers(operation, inputs):
        wrong = int(_different(operation, got, wanted).sum())
        record_property(f"{library} {name}", wrong)
        print(
            f"{library}: {wrong} of {wanted.size} results of {name} are not correctly rounded here"
        )


def test_onnxruntimes_batch_normalisation_is_counted(
    record_property: Callable[[str, object], None],
) -> None:
    """Against 1/√, product, product and sum; our own exports have none, other graphs may."""
    rng = np.random.default_rng(5)
    x = rng.integers(-500, 500, (50, 1000)).astype(np.float32)
    scale, bias, mean = rng.normal(0, 8, (3, 1000)).astype(np.float32)
    variance = rng.gamma(2, 30, 1000).astype(np.float32)
    inputs = (x, scale, bias, mean, variance)
    got = _run_onnx("BatchNormalization", {"epsilon": 1e-5}, inputs)
    factor = np.float32(1) / np.sqrt(variance + np.float32(1e-5)) * scale
    wrong = int((got != x * factor + (bias - mean * factor)).sum())
    record_property("onnxruntime batch normalisation", wrong)
    print(f"onnxruntime: {wrong} of {x.size} results of batch normalisation are rounded otherwise")


_ROOMS = ("ops", "models", "exporter", "lowering", "dataflow", "data/encodings.py")
_SUSPECTS = {
    *("sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("tanh", "sigmoid", "softmax", "log_softmax", "erf", "pow", "power", "sin", "cos"),
    *("mean", "nanmean", "average", "std", "var", "batch_norm", "layer_norm", "vector_norm"),
}
_ALLOWED = {
    ("ops/exact.py", "sqrt"): "on float64, whose error does not reach the float32",
    ("ops/binop.py", "mean"): "of gradients",
    ("ops/blocks/nin.py", "mean"): "of float logits; the network has float layers",
    ("exporter/stage.py", "mean"): "an accuracy",
}


def _calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def test_nothing_between_checkpoint_and_threshold_calls_them() -> None:
    root = Path(bnnedge.__file__).parent
    files = [
        path
        for room in _ROOMS
        for path in ([root / room] if room.endswith(".py") else (root / room).rglob("*.py"))
    ]
    found = {(str(p.relative_to(root)), name) for p in files for name in _calls(p)}
    assert {place for place in found if place[1] in _SUSPECTS} == _ALLOWED.keys()
