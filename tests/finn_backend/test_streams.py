"""Forks, sums, concatenations, pools and classes in rtlsim against numpy."""

from pathlib import Path

import numpy as np
import pytest
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes

from bnnedge.errors import DesignError
from bnnedge.finn_backend import SpecializeKernels
from tests.finn_backend.designs import CLOCK_NS, PART, Tensor, one_node, run_rtl, to_rtl

SLOW = pytest.mark.slow


def values_of(datatype: str, *shape: int, seed: int = 0) -> NDArray[np.float32]:
    """All of a type's values, its ends most of all."""
    rng = np.random.default_rng(seed)
    low, high = int(DataType[datatype].min()), int(DataType[datatype].max())
    if datatype == "BIPOLAR":
        return rng.choice(np.float32([-1, 1]), shape)
    ends = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 0.3, ends, rng.integers(low, high + 1, shape)).astype(
        np.float32
    )


def duplicate(datatype: str, copies: int, pe: int) -> ModelWrapper:
    outputs = {f"y{index}": Tensor(datatype, (1, 3, 2, 6)) for index in range(copies)}
    return one_node(
        "DuplicateStreams",
        {"x": Tensor(datatype, (1, 3, 2, 6))},
        outputs,
        NumChannels=6,
        PE=pe,
        NumOutputStreams=copies,
        outFIFODepths=[2] * copies,
        inputDataType=datatype,
        numInputVectors=[1, 3, 2],
    )


@pytest.mark.parametrize(("datatype", "copies", "pe"), [("BIPOLAR", 2, 3), ("INT4", 3, 2)])
def test_duplicate_streams(cache: Path, datatype: str, copies: int, pe: int) -> None:
    x = values_of(datatype, 1, 3, 2, 6)
    result = run_rtl(duplicate(datatype, copies, pe), {"x": x}, cache=cache)
    assert len(result) == copies and all(np.array_equal(y, x) for y in result.values())


def concat(types: tuple[str, ...], channels: tuple[int, ...], simd: int) -> ModelWrapper:
    pairs = list(zip(types, channels, strict=True))
    inputs = {f"x{i}": Tensor(t, (1, 5, c)) for i, (t, c) in enumerate(pairs)}
    return one_node(
        "StreamingConcat",
        inputs,
        {"y": Tensor("INT8", (1, 5, sum(channels)))},
        SIMD=simd,
        ChannelsPerStream=list(channels),
        inputDataTypes=list(types),
        numInputVectors=[1, 5],
        inFIFODepths=[2] * len(types),
    )


@pytest.mark.parametrize(
    ("types", "channels", "simd", "result"),
    [
        (("BIPOLAR", "BIPOLAR"), (4, 2), 2, "BIPOLAR"),
        (("UINT3", "INT2", "INT4"), (2, 6, 4), 2, "INT4"),
    ],
)
def test_concat(
    cache: Path, types: tuple[str, ...], channels: tuple[int, ...], simd: int, result: str
) -> None:
    parts = {
        f"x{i}": values_of(t, 1, 5, c, seed=i)
        for i, (t, c) in enumerate(zip(types, channels, strict=True))
    }
    model = concat(types, channels, simd)
    y = run_rtl(model, parts, cache=cache)["y"]
    assert np.array_equal(y, np.concatenate(list(parts.values()), axis=-1))
    specialised = model.transform(SpecializeKernels()).transform(InferDataTypes())
    assert specialised.get_tensor_datatype("y") == DataType[result]


def add(a: str, b: str, result: str, pe: int, b_shape: tuple[int, ...] = (1, 7, 6)) -> ModelWrapper:
    return one_node(
        "ElementwiseAdd",
        {"a": Tensor(a, (1, 7, 6)), "b": Tensor(b, b_shape)},
        {"y": Tensor(result, (1, 7, 6))},
        lhs_dtype=a,
        rhs_dtype=b,
        out_dtype=result,
        lhs_shape=[1, 7, 6],
        rhs_shape=list(b_shape),
        out_shape=[1, 7, 6],
        PE=pe,
    )


@pytest.mark.parametrize(
    ("a", "b", "result", "pe"),
    [
        ("BIPOLAR", "BIPOLAR", "INT3", 3),
        ("UINT3", "INT4", "INT5", 2),
        pytest.param("UINT3", "UINT3", "UINT8", 1, marks=SLOW),
        pytest.param("BIPOLAR", "INT4", "INT16", 6, marks=SLOW),
    ],
)
def test_add(cache: Path, a: str, b: str, result: str, pe: int) -> None:
    values = {"a": values_of(a, 1, 7, 6), "b": values_of(b, 1, 7, 6, seed=1)}
    y = run_rtl(add(a, b, result, pe), values, cache=cache)["y"]
    assert np.array_equal(y, values["a"] + values["b"])


def test_sums_get_a_type_that_holds_them() -> None:
    """FINN takes INT2 for ±1 + ±1, which does not hold 2."""
    model = add("BIPOLAR", "BIPOLAR", "INT2", 1)
    with pytest.raises(DesignError, match=r"wanted an output type for -2 \.\.\. 2, got INT2"):
        to_rtl(model)
    model = model.transform(SpecializeKernels())
    node = getCustomOp(model.graph.node[0])
    assert node.minimize_accumulator_width(model) == DataType["INT3"]


def pool(datatype: str, function: str, kernel: tuple[int, int], pe: int) -> ModelWrapper:
    taps = kernel[0] * kernel[1]
    return one_node(
        "Pool",
        {"x": Tensor(datatype, (1, 3, 2, taps * 6))},
        {"y": Tensor(datatype, (1, 3, 2, 6))},
        Channels=6,
        PE=pe,
        KernelSize=list(kernel),
        Function=function,
        OutImgDims=[3, 2],
        InputDataType=datatype,
        OutputDataType=datatype,
    )


@pytest.mark.parametrize(
    ("datatype", "kernel", "pe"),
    [
        ("BIPOLAR", (2, 2), 3),
        ("INT4", (2, 2), 1),
        pytest.param("BINARY", (3, 2), 6, marks=SLOW),
        pytest.param("UINT3", (1, 3), 2, marks=SLOW),
    ],
)
def test_pool(cache: Path, datatype: str, kernel: tuple[int, int], pe: int) -> None:
    """Words come as a depthwise window gives them: fold of channels by fold, tap by tap."""
    taps = kernel[0] * kernel[1]
    x = values_of(datatype, 1, 3, 2, 6 // pe, taps, pe)
    y = run_rtl(pool(datatype, "MaxPool", kernel, pe), {"x": x.reshape(1, 3, 2, -1)}, cache=cache)[
        "y"
    ]
    assert np.array_equal(y, x.max(axis=-2).reshape(1, 3, 2, 6))


def label_select(datatype: str, k: int, pe: int, vectors: int) -> ModelWrapper:
    return one_node(
        "LabelSelect",
        {"x": Tensor(datatype, (vectors, 10))},
        {"y": Tensor("UINT8", (vectors, k))},
        Labels=10,
        PE=pe,
        K=k,
        inputDataType=datatype,
        outputDataType="UINT8",
        numInputVectors=[vectors],
    )


@pytest.mark.parametrize(
    ("datatype", "k", "pe"),
    [
        ("INT4", 1, 5),
        ("UINT3", 3, 2),
        pytest.param("UINT3", 1, 1, marks=SLOW),
        pytest.param("INT4", 3, 1, marks=SLOW),
    ],
)
def test_label_select(cache: Path, datatype: str, k: int, pe: int) -> None:
    """The lower index first among equals."""
    x = values_of(datatype, 12, 10)
    x[0], x[1] = DataType[datatype].min(), DataType[datatype].max()
    y = run_rtl(label_select(datatype, k, pe, 12), {"x": x}, cache=cache)["y"]
    assert np.array_equal(y, np.argsort(-x, axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize(("k", "cycles"), [(1, 5), (3, 10)])
def test_only_the_first_label_is_found_among_several_at_a_time(k: int, cycles: int) -> None:
    model = label_select("INT4", k, 2, 1).transform(SpecializeKernels())
    assert getCustomOp(model.graph.node[0]).get_exp_cycles() == cycles


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (pool("INT4", "AccPool", (2, 2), 1), "the pool function AccPool"),
        (concat(("BIPOLAR", "INT4"), (2, 2), 1), "a concatenation of BIPOLAR, INT4"),
        (add("INT4", "INT4", "INT5", 1, (1, 1, 1)), "broadcasts"),
        (label_select("FLOAT32", 1, 1, 1), "elements of type FLOAT32"),
    ],
)
def test_what_kernels_cannot_do_is_left_to_finn(model: ModelWrapper, what: str) -> None:
    before = model.graph.node[0].op_type
    model = model.transform(SpecializeKernels())
    assert model.graph.node[0].op_type == before
    node = getCustomOp(model.graph.node[0])
    if before == "ElementwiseAdd":  # FINN's own RTL comes next
        assert node.get_nodeattr("preferred_impl_style") == ""
        return
    assert node.get_nodeattr("preferred_impl_style") == "hls"
    node.set_nodeattr("preferred_impl_style", "")
    with pytest.raises(DesignError, match=f"bnnedge's RTL does not do {what} — set preferred"):
        # FINN's own pass takes any RTL there is.
        model.transform(SpecializeLayers(PART)).transform(PrepareIP(PART, CLOCK_NS))


def test_a_preference_for_hls_is_kept() -> None:
    model = duplicate("BIPOLAR", 2, 1)
    getCustomOp(model.graph.node[0]).set_nodeattr("preferred_impl_style", "hls")
    assert model.transform(SpecializeKernels()).graph.node[0].op_type == "DuplicateStreams"
