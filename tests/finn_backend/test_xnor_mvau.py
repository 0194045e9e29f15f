"""`XnorMVAU_rtl` in rtlsim and `XnorMVAU_hls` in cppsim against numpy and QONNX."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finn.core.onnx_exec import execute_onnx
from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.general.multithreshold import multithreshold
from qonnx.custom_op.general.xnorpopcount import xnorpopcountmatmul
from qonnx.custom_op.registry import getCustomOp

from bnnedge.errors import DesignError, FoldingError
from bnnedge.finn_backend import SpecializeKernels, use_verilator
from tests.finn_backend.designs import Tensor, one_node, run_cppsim, run_rtl, to_rtl
from tests.hls.bench import needs_ap_types

SLOW = pytest.mark.slow
Run = Callable[..., dict[str, NDArray[Any]]]
BACKENDS = [
    pytest.param(run_rtl, id="rtl"),
    pytest.param(run_cppsim, id="hls", marks=needs_ap_types),
]


def mvau(
    weights: NDArray[Any],
    *,
    op_type: str = "XnorMVAU",
    vectors: int,
    pe: int = 1,
    simd: int = 1,
    inputs: str | None = None,
    result: str,
    thresholds: NDArray[Any] | None = None,
    xnor_mode: bool = False,
    kind: str | None = None,
) -> ModelWrapper:
    """Weights (MW, MH), ±1 or of a `kind`, on `vectors` inputs; with `xnor_mode` as both's bits."""
    mw, mh = weights.shape
    bits = "BINARY" if xnor_mode else "BIPOLAR"
    tensors = {
        "x": Tensor(inputs or bits, (vectors, mw)),
        "w": Tensor.constant(kind or bits, (weights + 1) / 2 if xnor_mode else weights),
    }
    if thresholds is not None:
        tensors["t"] = Tensor.constant("FLOAT32", thresholds)
    signed = result.startswith("INT") and thresholds is not None
    return one_node(
        op_type,
        tensors,
        {"y": Tensor(result, (vectors, mh))},
        MW=mw,
        MH=mh,
        PE=pe,
        SIMD=simd,
        inputDataType=tensors["x"].datatype,
        weightDataType=kind or bits,
        outputDataType=result,
        ActVal=int(DataType[result].min()) if signed else 0,
        binaryXnorMode=int(xnor_mode),
        noActivation=int(thresholds is None),
        numInputVectors=[vectors],
    )


def reference(
    x: NDArray[Any],
    weights: NDArray[Any],
    *,
    result: str,
    thresholds: NDArray[Any] | None,
    xnor_mode: bool,
) -> NDArray[Any]:
    """What QONNX's own functions make of ±1 or integer inputs."""
    sums = xnorpopcountmatmul((x + 1) / 2, (weights + 1) / 2) if xnor_mode else x @ weights
    if thresholds is None:
        return np.asarray(sums)
    bipolar = result == "BIPOLAR"
    bias = -1 if bipolar else int(DataType[result].min())
    return np.asarray(multithreshold(sums, thresholds, 2 if bipolar else 1, bias))


def check(
    x: NDArray[Any],
    weights: NDArray[Any],
    *,
    cache: Path,
    result: str,
    thresholds: NDArray[Any] | None = None,
    xnor_mode: bool = False,
    run: Run = run_rtl,
    **options: Any,
) -> None:
    model = mvau(
        weights,
        vectors=len(x),
        result=result,
        thresholds=thresholds,
        xnor_mode=xnor_mode,
        **options,
    )
    wanted = reference(x, weights, result=result, thresholds=thresholds, xnor_mode=xnor_mode)
    values = {"x": ((x + 1) / 2 if xnor_mode else x).astype(np.float32)}
    assert np.array_equal(execute_onnx(model, values)["y"], wanted)
    assert np.array_equal(run(model, values, cache=cache)["y"], wanted)


def hostile_weights(rng: np.random.Generator, mw: int, mh: int) -> NDArray[Any]:
    """±1 (MW, MH), with rows of ones only."""
    weights = rng.choice([-1.0, 1.0], (mw, mh))
    weights[:, 0], weights[:, -1] = 1, -1
    return weights


def hostile_inputs(rng: np.random.Generator, weights: NDArray[Any]) -> NDArray[Any]:
    """±1 (N, MW): all pairs agree with some row, none does, and random ones."""
    rows = weights.T[:3]
    return np.concatenate([rows, -rows, rng.choice([-1.0, 1.0], (6, len(weights)))])


# The folds, types and sizes of FINN+'s tests/fpgadataflow/test_fpgadataflow_mvau.py
# (test_fpgadataflow_mvau_rtlsim), where weights are BIPOLAR.
@pytest.mark.parametrize("run", BACKENDS)
@pytest.mark.parametrize(
    ("idt", "xnor_mode"), [("BIPOLAR", False), ("BIPOLAR", True), ("INT4", False)]
)
@pytest.mark.parametrize("act", [None, "BIPOLAR", "INT4"])
@pytest.mark.parametrize(
    ("nf", "sf"),
    [
        pytest.param(nf, sf, marks=() if (nf, sf) == (2, 2) else SLOW)
        for nf in (16, 2, 1)
        for sf in (16, 2, 1)
    ],
)
def test_finns_own_grid(
    cache: Path, run: Run, xnor_mode: bool, act: str | None, idt: str, nf: int, sf: int
) -> None:
    rng = np.random.default_rng(nf * 100 + sf)
    mw = mh = 16
    weights = hostile_weights(rng, mw, mh)
    low, high = DataType[idt].min(), DataType[idt].max()
    if idt == "BIPOLAR":
        x = hostile_inputs(rng, weights)
    else:
        x = rng.integers(low, high + 1, (8, mw)).astype(float)
        x[0], x[1] = low, high
    thresholds = None
    if act is not None:
        steps = DataType[act].get_num_possible_values() - 1
        ends = (0, mw) if xnor_mode else (-mw * -low, mw * -low)
        thresholds = np.sort(rng.integers(*ends, (mh, steps)), axis=1).astype(float)
    default = "UINT32" if xnor_mode else "INT32"
    check(
        x,
        weights,
        cache=cache,
        inputs=None if xnor_mode else idt,
        result=act or default,
        thresholds=thresholds,
        xnor_mode=xnor_mode,
        pe=mh // nf,
        simd=mw // sf,
        run=run,
    )


@pytest.mark.parametrize("run", BACKENDS)
@pytest.mark.parametrize(
    ("idt", "kind"),
    [("BIPOLAR", "TERNARY"), ("INT2", "TERNARY"), ("UINT2", "INT4"), ("INT4", "INT2")],
)
@pytest.mark.parametrize("act", [None, "BIPOLAR", pytest.param("INT2", marks=SLOW)])
def test_weights_of_few_bits(cache: Path, run: Run, idt: str, kind: str, act: str | None) -> None:
    rng = np.random.default_rng(8)
    mw, mh = 12, 8
    low, high = int(DataType[kind].min()), int(DataType[kind].max())
    weights = rng.integers(low, high, (mw, mh), endpoint=True).astype(float)
    weights[:, 0], weights[:, 1], weights[:, 2] = 0, low, high
    if idt == "BIPOLAR":
        x = rng.choice([-1.0, 1.0], (12, mw))
    else:
        ends = int(DataType[idt].min()), int(DataType[idt].max())
        x = rng.integers(*ends, (12, mw), endpoint=True).astype(float)
        x[0], x[1] = ends
    thresholds = None
    if act is not None:
        steps = DataType[act].get_num_possible_values() - 1
        thresholds = np.sort(rng.integers(-mw, mw + 1, (mh, steps)), axis=1).astype(float)
    check(
        x,
        weights,
        cache=cache,
        inputs=idt,
        kind=kind,
        result=act or "INT32",
        thresholds=thresholds,
        pe=4,
        simd=6,
        run=run,
    )


@pytest.mark.parametrize("run", BACKENDS)
@pytest.mark.parametrize("xnor_mode", [False, True])
@pytest.mark.parametrize("result", ["BIPOLAR", "UINT2"])
def test_thresholds_out_of_range_on_ties_and_between(
    cache: Path, run: Run, xnor_mode: bool, result: str
) -> None:
    """Ends of the range, beyond it, infinite, halves; an odd width, one row for all channels."""
    rng = np.random.default_rng(5)
    weights = hostile_weights(rng, 63, 6)
    low, high = (0, 63) if xnor_mode else (-63, 63)
    steps = [[low], [low + 1], [high], [high + 1], [-1e9], [np.inf]]
    if result != "BIPOLAR":
        steps = [
            [low, low + 0.5, high],
            [high, high + 1, np.inf],
            [-np.inf, -1e9, low],
            [-1, 0, 1],
            [31, 31.5, 32],
            [high - 1, high - 0.5, high + 0.5],
        ]
    x = hostile_inputs(rng, weights)
    shared = [np.array(steps[:1])] if result == "BIPOLAR" else []
    for thresholds in (np.array(steps), *shared):
        check(
            x,
            weights,
            cache=cache,
            result=result,
            thresholds=thresholds,
            xnor_mode=xnor_mode,
            pe=3,
            simd=21,
            run=run,
        )


@pytest.mark.parametrize("run", BACKENDS)
@pytest.mark.parametrize("xnor_mode", [False, True])
def test_accumulators_hold_every_sum(cache: Path, run: Run, xnor_mode: bool) -> None:
    """64 of 64 pairs agree: FINN's MVAU takes INT7 for [−64, 63], and clips thresholds to it."""
    rng = np.random.default_rng(0)
    weights = hostile_weights(rng, 64, 4)
    x = hostile_inputs(rng, weights)
    model = mvau(weights, vectors=len(x), result="INT32", xnor_mode=xnor_mode, pe=2, simd=16)

    model = model.transform(MinimizeWeightBitWidth()).transform(MinimizeAccumulatorWidth())

    node = getCustomOp(model.graph.node[0])
    assert node.get_nodeattr("accDataType") == ("UINT8" if xnor_mode else "INT8")
    assert node.get_nodeattr("weightDataType") == ("BINARY" if xnor_mode else "BIPOLAR")
    wanted = reference(x, weights, result="INT8", thresholds=None, xnor_mode=xnor_mode)
    assert wanted.max() == 64
    values = {"x": ((x + 1) / 2 if xnor_mode else x).astype(np.float32)}
    assert np.array_equal(run(model, values, cache=cache)["y"], wanted)


def test_finns_rounding_leaves_thresholds_alone(cache: Path) -> None:
    rng = np.random.default_rng(1)
    weights = hostile_weights(rng, 64, 2)
    thresholds = np.array([[64.0], [63.5]])
    model = mvau(weights, vectors=6, result="BIPOLAR", thresholds=thresholds, simd=8)

    model = model.transform(MinimizeAccumulatorWidth()).transform(RoundAndClipThresholds())

    assert np.array_equal(model.get_initializer("t"), thresholds)


def test_cycles_are_those_that_finn_expects(cache: Path) -> None:
    rng = np.random.default_rng(2)
    weights = hostile_weights(rng, 32, 16)
    use_verilator(cache=cache)
    model = to_rtl(mvau(weights, vectors=20, result="INT8", pe=4, simd=8))

    execute_onnx(model, {"x": rng.choice(np.float32([-1, 1]), (20, 32))})

    node = getCustomOp(model.graph.node[0])
    assert node.get_exp_cycles() == 20 * 4 * 4
    assert 0 <= node.get_nodeattr("cycles_rtlsim") - 320 <= 15


@pytest.mark.parametrize(
    ("inputs", "xnor_mode"),
    [("BINARY", True), ("BINARY", False), pytest.param("INT4", False, marks=SLOW)],
)
def test_finns_own_mvaus_are_taken(cache: Path, inputs: str, xnor_mode: bool) -> None:
    """In XNOR mode, of integers, and of the numbers 0 and 1."""
    rng = np.random.default_rng(3)
    weights = hostile_weights(rng, 16, 8)
    x = hostile_inputs(rng, weights)
    if not xnor_mode:
        x = 7 * x if inputs == "INT4" else (x + 1) / 2
    model = mvau(
        weights,
        op_type="MVAU",
        vectors=len(x),
        inputs=inputs,
        result="INT32",
        xnor_mode=xnor_mode,
        pe=2,
        simd=4,
    )
    values = {"x": ((x + 1) / 2 if xnor_mode else x).astype(np.float32)}
    wanted = reference(x, weights, result="INT32", thresholds=None, xnor_mode=xnor_mode)
    assert np.array_equal(execute_onnx(model, values)["y"], wanted)
    assert np.array_equal(run_rtl(model, values, cache=cache)["y"], wanted)


@pytest.mark.parametrize(
    "attributes",
    [
        {"weightDataType": "INT4"},
        {"inputDataType": "FLOAT32"},
        {"mem_mode": "external"},
        {"runtime_writeable_weights": 1},
        {},
    ],
    ids=["weights", "inputs", "external", "writable", "bipolar"],
)
def test_other_mvaus_are_left_to_finn(attributes: dict[str, Any]) -> None:
    """±1 on ±1 inputs: FINN counts the pairs that agree, where a product was meant."""
    model = mvau(np.ones((4, 4)), op_type="MVAU", vectors=1, result="INT8")
    node = getCustomOp(model.graph.node[0])
    for name, value in attributes.items():
        node.set_nodeattr(name, value)
    model = model.transform(SpecializeKernels())
    assert model.graph.node[0].op_type == "MVAU"
    assert getCustomOp(model.graph.node[0]).get_nodeattr("preferred_impl_style") == ""


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pe": 5}, FoldingError, r"XnorMVAU_rtl_0: wanted PE that divides MH=16, got 5"),
        ({"simd": 3}, FoldingError, r"XnorMVAU_rtl_0: wanted SIMD that divides MW=16, got 3"),
        (
            {"result": "INT5"},
            DesignError,
            r"XnorMVAU_rtl_0: wanted an output type for -16 \.\.\. 16, got INT5"
            r" — run MinimizeAccumulatorWidth",
        ),
        (
            {"xnor_mode": True, "inputs": "UINT2"},
            DesignError,
            r"wanted BINARY weights on BINARY inputs, got BINARY on UINT2",
        ),
        ({"inputs": "INT27"}, DesignError, r"XnorMVAU_rtl_0: wanted sums of INT27 below 2\*\*30"),
        ({"thresholds": np.full((16, 1), np.nan)}, DesignError, r"a threshold is not a number"),
        ({"thresholds": np.zeros((3, 1))}, DesignError, r"wanted constant thresholds \(1 or 16"),
        (
            {"thresholds": np.zeros((16, 2)), "result": "BIPOLAR"},
            DesignError,
            r"wanted one threshold and ActVal 0 for one bit, got 2 and 0",
        ),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    weights = hostile_weights(np.random.default_rng(0), 16, 16)
    model = mvau(weights, **{"vectors": 1, "result": "INT8", **options})
    with pytest.raises(error, match=message):
        to_rtl(model)


@pytest.mark.parametrize(
    ("weight", "kind", "message"),
    [
        (0, None, r"wanted weights \(16, 16\) of BIPOLAR, got \(16, 16\) from 0 to 1"),
        (2, "TERNARY", "of TERNARY, got .* from 1 to 2"),
        (0.5, "INT2", "of INT2, got .* from 0.5 to 1"),
    ],
)
def test_weights_of_another_type_are_refused(weight: float, kind: str | None, message: str) -> None:
    weights = np.ones((16, 16))
    weights[3, 4] = weight
    with pytest.raises(DesignError, match=message):
        to_rtl(mvau(weights, vectors=1, inputs="INT4", result="INT8", kind=kind))
