"""From ONNX nodes to nodes on our kernels, one pass at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finn.core.onnx_exec import execute_onnx
from finn.transformation.fpgadataflow.convert_to_hw.thresholding import InferThresholdingLayer
from finn.util.exception import FINNUserError
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core import data_layout
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.util.basic import qonnx_make_model

from bnnedge.errors import LoweringError
from bnnedge.finn_backend import (
    InferXnorMVAU,
    SetJoinFIFODepths,
    SetKernelFolding,
    use_verilator,
)
from bnnedge.finn_backend.absorb_flatten import AbsorbFlatten
from bnnedge.finn_backend.convert_xnor_popcount_to_bipolar import ConvertXnorPopcountToBipolar
from bnnedge.finn_backend.infer_bipolar_padding import InferBipolarPadding
from bnnedge.finn_backend.infer_integer_thresholding import InferIntegerThresholding
from bnnedge.finn_backend.make_channels_last import MakeChannelsLast
from tests.finn_backend.designs import DOMAIN, Tensor, one_node, to_rtl

QONNX = "qonnx.custom_op.general"


def graph_of(
    nodes: list[Any],
    x: tuple[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, tuple[str, NDArray[Any]]],
    types: dict[str, str],
) -> ModelWrapper:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x[1])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
    )
    model = ModelWrapper(qonnx_make_model(graph))
    for name, (datatype, value) in constants.items():
        model.set_initializer(name, value.astype(np.float32))
        model.set_tensor_datatype(name, DataType[datatype])
    for name, datatype in {"x": x[0], **types}.items():
        model.set_tensor_datatype(name, DataType[datatype])
    return model.transform(InferShapes())


def bits(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).choice(np.float32([-1, 1]), shape)


def layer(scale: float = 2.0, bias: float = -1.0, out: str = "BIPOLAR") -> ModelWrapper:
    """x (1, 9) → MatMul → MultiThreshold → y (1, 4)."""
    return graph_of(
        [
            helper.make_node("MatMul", ["x", "w"], ["sum"], name="fc"),
            helper.make_node(
                "MultiThreshold",
                ["sum", "t"],
                ["y"],
                name="act",
                domain=QONNX,
                out_scale=scale,
                out_bias=bias,
                out_dtype=out,
            ),
        ],
        ("BIPOLAR", (1, 9)),
        {"y": (1, 4)},
        {"w": ("BIPOLAR", bits(0, 9, 4)), "t": ("FLOAT32", np.array([[0.5], [-9], [10], [-1]]))},
        {"sum": "INT32", "y": out},
    )


@pytest.mark.smoke
def test_a_product_and_its_thresholds_become_one_node() -> None:
    model = layer()
    x = bits(1, 1, 9)
    wanted = execute_onnx(model, {"x": x})["y"]

    model = model.transform(InferXnorMVAU())

    (node,) = model.graph.node
    instance = getCustomOp(node)
    assert (node.op_type, node.input[:], instance.get_nodeattr("ActVal")) == (
        "XnorMVAU",
        ["x", "w", "t"],
        0,
    )
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], wanted)


def test_a_bare_product_keeps_its_value() -> None:
    """FINN's MVAU gives matches in the place of the product of ±1."""
    tensors = {"x": Tensor("BIPOLAR", (1, 9)), "w": Tensor.constant("BIPOLAR", bits(0, 9, 4))}
    model = one_node("MatMul", tensors, {"y": Tensor("INT32", (1, 4))}, domain="")
    x = bits(1, 1, 9)

    model = model.transform(InferXnorMVAU())

    assert model.get_tensor_datatype("y") == DataType["INT5"]
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], x @ bits(0, 9, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"scale": 0.5, "out": "INT2"},
            r"act: wanted levels -1 and 1, or integers one apart, got -1 \+ 0\.5·n as INT2"
            r" — streamline the graph",
        ),
        ({"scale": 1.0, "bias": 0.0}, r"act: wanted levels -1 and 1, .* got 0 \+ 1·n as BIPOLAR"),
        ({"scale": 1.0, "bias": 0.5, "out": "FLOAT32"}, r"act: wanted levels"),
    ],
)
def test_levels_that_hardware_cannot_give_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoweringError, match=message):
        layer(**options).transform(InferXnorMVAU())


def fork() -> ModelWrapper:
    """x (1, 9) is multiplied by ±1, and given out as it is, doubled."""
    return graph_of(
        [
            helper.make_node("MatMul", ["x", "w"], ["y"], name="fc"),
            helper.make_node("Mul", ["x", "two"], ["z"], name="double"),
        ],
        ("BIPOLAR", (1, 9)),
        {"y": (1, 4), "z": (1, 9)},
        {"w": ("BIPOLAR", bits(0, 9, 4)), "two": ("UINT2", np.array(2.0))},
        {"y": "INT32", "z": "INT32"},
    )


def test_other_readers_of_an_input_see_what_they_saw() -> None:
    """QONNX's own pass changes the input of both."""
    x = bits(3, 1, 9)
    model = fork().transform(InferXnorMVAU())
    assert model.get_tensor_datatype("x") == DataType["BIPOLAR"]
    result = execute_onnx(model, {"x": x})
    assert np.array_equal(result["y"], x @ bits(0, 9, 4)) and np.array_equal(result["z"], 2 * x)


def test_products_of_xnor_and_popcount_are_taken_in() -> None:
    model = layer()
    x = bits(4, 1, 9)
    wanted = execute_onnx(model, {"x": x})["y"]
    with pytest.warns(UserWarning, match="Changing graph input DataType"):
        model = model.transform(ConvertBipolarMatMulToXnorPopcount())
    model = model.transform(InferXnorMVAU())
    mvau = model.get_nodes_by_op_type("XnorMVAU")[0]
    assert getCustomOp(mvau).get_nodeattr("binaryXnorMode") == 1
    assert np.array_equal(
        execute_onnx(model, {"x": (x + 1) / 2})[model.graph.output[0].name], wanted
    )


@pytest.mark.parametrize("pad", [[0, 0, 0, 0], [0, 1, 0, 0]])
def test_zero_padding_of_bits_is_refused(pad: list[int]) -> None:
    model = graph_of(
        [
            helper.make_node(
                "Im2Col",
                ["x"],
                ["windows"],
                name="window",
                domain=QONNX,
                stride=[1, 1],
                kernel_size=[2, 2],
                pad_amount=pad,
                input_shape="(1,4,4,2)",
            ),
            helper.make_node("MatMul", ["windows", "w"], ["y"], name="conv"),
        ],
        ("BIPOLAR", (1, 4, 4, 2)),
        {"y": (1, 3, 3 + sum(pad), 5)},
        {"w": ("BIPOLAR", bits(0, 8, 5))},
        {"windows": "BIPOLAR", "y": "INT32"},
    )
    if not any(pad):
        assert model.transform(InferXnorMVAU()).graph.node[1].op_type == "XnorMVAU"
        return
    with pytest.raises(
        LoweringError,
        match=r"^window: padding of ±1 with 0: one bit has no 0, .* — train with",
    ):
        model.transform(InferXnorMVAU())


def padded(value: float | None, edges: list[int]) -> ModelWrapper:
    """x (1, 2, 3, 4) → Pad → Transpose to NHWC → y."""
    constants = ["edges"] if value is None else ["edges", "value"]
    model = graph_of(
        [
            helper.make_node("Pad", ["x", *constants], ["wide"], name="pad"),
            helper.make_node("Transpose", ["wide"], ["y"], perm=[0, 2, 3, 1]),
        ],
        ("BIPOLAR", (1, 2, 3, 4)),
        {"y": (1, 3 + edges[2] + edges[6], 4 + edges[3] + edges[7], 2 + edges[1] + edges[5])},
        {},
        {"wide": "BIPOLAR", "y": "BIPOLAR"},
    )
    model.set_initializer("edges", np.array(edges, np.int64))
    if value is not None:
        model.set_initializer("value", np.array(value, np.float32))
    return model


def test_padding_with_minus_one_becomes_hardware(cache: Path) -> None:
    x = bits(5, 1, 2, 3, 4)
    wanted = np.pad(x, ((0, 0), (0, 0), (1, 0), (2, 3)), constant_values=-1).transpose(0, 2, 3, 1)
    model = padded(-1.0, [0, 0, 1, 2, 0, 0, 0, 3])

    model = model.transform(InferBipolarPadding())

    assert [node.op_type for node in model.graph.node] == ["Transpose", "BipolarFMPadding"]
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], wanted)
    use_verilator(stall_out=0.5, cache=cache)
    assert np.array_equal(execute_onnx(to_rtl(model), {"x": x})["y"], wanted)


def test_padding_with_channels_last_needs_no_transpose() -> None:
    model = graph_of(
        [helper.make_node("Pad", ["x", "edges", "value"], ["y"], name="pad")],
        ("BIPOLAR", (1, 3, 4, 2)),
        {"y": (1, 4, 9, 2)},
        {},
        {"y": "BIPOLAR"},
    )
    model.set_initializer("edges", np.array([0, 1, 2, 0, 0, 0, 3, 0], np.int64))
    model.set_initializer("value", np.array(-1, np.float32))
    model.set_tensor_layout("x", data_layout.NHWC)
    x = bits(5, 1, 3, 4, 2)
    wanted = execute_onnx(model, {"x": x})["y"]
    model = model.transform(InferBipolarPadding())
    assert [node.op_type for node in model.graph.node] == ["BipolarFMPadding"]
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], wanted)


@pytest.mark.parametrize("value", [0.0, 1.0, None])
def test_other_padding_of_bits_is_refused(value: float | None) -> None:
    with pytest.raises(LoweringError, match=rf"^pad: padding of ±1 with {value or 0:g}: one bit"):
        padded(value, [0, 0, 1, 1, 0, 0, 1, 1]).transform(InferBipolarPadding())


def test_padding_of_channels_is_left_alone() -> None:
    model = padded(-1.0, [0, 1, 0, 0, 0, 0, 0, 0]).transform(InferBipolarPadding())
    assert [node.op_type for node in model.graph.node] == ["Pad", "Transpose"]


@pytest.mark.parametrize("shape", [(1, 6), (1, 6, 3, 2)])
def test_thresholds_with_bipolar_levels_become_thresholdings(shape: tuple[int, ...]) -> None:
    """FINN refuses them; feature maps are turned to NHWC."""
    thresholds = np.arange(6.0)[:, None] - 3
    model = one_node(
        "MultiThreshold",
        {"x": Tensor("INT4", shape), "t": Tensor.constant("INT5", thresholds)},
        {"y": Tensor("BIPOLAR", shape)},
        domain=QONNX,
        out_scale=2.0,
        out_bias=-1.0,
        out_dtype="BIPOLAR",
        data_layout="NCHW" if len(shape) == 4 else "NC",
    )
    x = np.random.default_rng(0).integers(-8, 8, shape).astype(np.float32)
    wanted = np.where(x >= thresholds.reshape(1, 6, *[1] * (len(shape) - 2)), 1, -1)
    with pytest.raises(FINNUserError, match="out_scale must be 1"):
        model.transform(InferThresholdingLayer())

    model = model.transform(InferIntegerThresholding())

    assert len(model.get_nodes_by_op_type("Thresholding")) == 1
    assert not model.get_nodes_by_op_type("MultiThreshold")
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], wanted)


def test_quantisers_of_real_numbers_stay_with_the_host() -> None:
    model = one_node(
        "MultiThreshold",
        {"x": Tensor("FLOAT32", (1, 6)), "t": Tensor.constant("FLOAT32", np.zeros((6, 1)))},
        {"y": Tensor("BIPOLAR", (1, 6))},
        domain=QONNX,
        out_scale=2.0,
        out_bias=-1.0,
        out_dtype="BIPOLAR",
    )
    assert model.transform(InferIntegerThresholding()).graph.node[0].op_type == "MultiThreshold"


def xnor_mvau(name: str, x: str, y: str, mw: int, mh: int) -> Any:
    return helper.make_node(
        "XnorMVAU",
        [x, f"{name}_w"],
        [y],
        name=name,
        domain=DOMAIN,
        backend="fpgadataflow",
        MW=mw,
        MH=mh,
        PE=1,
        SIMD=1,
        inputDataType="BIPOLAR",
        weightDataType="BIPOLAR",
        outputDataType="INT8",
        noActivation=1,
    )


def test_flattening_goes_into_the_weights_of_its_reader_only() -> None:
    shape = (1, 2, 3, 4)  # NHWC
    weights = bits(0, 24, 5)
    model = graph_of(
        [
            helper.make_node("Transpose", ["x"], ["nchw"], perm=[0, 3, 1, 2]),
            helper.make_node("Flatten", ["nchw"], ["flat"]),
            xnor_mvau("fc", "flat", "y", 24, 5),
            helper.make_node("MatMul", ["flat", "fc_w"], ["z"]),
        ],
        ("BIPOLAR", shape),
        {"y": (1, 5), "z": (1, 5)},
        {"fc_w": ("BIPOLAR", weights)},
        {"y": "INT8", "z": "INT8"},
    )
    x = bits(1, *shape)
    wanted = x.transpose(0, 3, 1, 2).reshape(1, -1) @ weights

    model = model.transform(AbsorbFlatten())

    assert model.get_nodes_by_op_type("XnorMVAU")[0].input[0] == "x"
    result = execute_onnx(model, {"x": x})
    assert np.array_equal(result["y"], wanted) and np.array_equal(result["z"], wanted)


def test_a_map_with_channels_last_is_flattened_as_it_streams() -> None:
    shape = (1, 2, 3, 4)
    weights = bits(0, 24, 5)
    model = graph_of(
        [helper.make_node("Flatten", ["x"], ["flat"]), xnor_mvau("fc", "flat", "y", 24, 5)],
        ("BIPOLAR", shape),
        {"y": (1, 5)},
        {"fc_w": ("BIPOLAR", weights)},
        {"y": "INT8"},
    )
    model.set_tensor_layout("x", data_layout.NHWC)
    x = bits(1, *shape)
    model = model.transform(AbsorbFlatten())
    assert [node.op_type for node in model.graph.node] == ["XnorMVAU"]
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], x.reshape(1, -1) @ weights)


@pytest.mark.parametrize(
    ("cycles", "width_max", "folding"),
    [
        (10**6, 36, (1, 1)),
        (16 * 9, 36, (1, 4)),
        (16, 36, (1, 36)),
        (16, 12, (4, 12)),
        (1, 36, (16, 36)),
    ],
)
def test_folding_grows_simd_first(cycles: int, width_max: int, folding: tuple[int, int]) -> None:
    tensors = {"x": Tensor("BIPOLAR", (1, 36)), "w": Tensor.constant("BIPOLAR", bits(0, 36, 16))}
    attributes = {
        "MW": 36,
        "MH": 16,
        "PE": 1,
        "SIMD": 1,
        "inputDataType": "BIPOLAR",
        "weightDataType": "BIPOLAR",
        "outputDataType": "INT8",
        "noActivation": 1,
    }
    model = one_node(
        "XnorMVAU_rtl",
        tensors,
        {"y": Tensor("INT8", (1, 16))},
        domain=f"{DOMAIN}.rtl",
        **attributes,
    )
    model = model.transform(SetKernelFolding(cycles, mvau_wwidth_max=width_max))
    node = getCustomOp(model.graph.node[0])
    pe, simd = folding
    assert (node.get_nodeattr("PE"), node.get_nodeattr("SIMD")) == folding
    assert node.get_nodeattr("cycles_estimate") == 36 * 16 // pe // simd


def test_joins_get_fifos_for_an_image() -> None:
    model = one_node(
        "IntegerAdd_rtl",
        {"a": Tensor("INT4", (1, 7, 6)), "b": Tensor("INT4", (1, 7, 6))},
        {"y": Tensor("INT5", (1, 7, 6))},
        domain=f"{DOMAIN}.rtl",
        lhs_dtype="INT4",
        rhs_dtype="INT4",
        out_dtype="INT5",
        lhs_shape=[1, 7, 6],
        rhs_shape=[1, 7, 6],
        out_shape=[1, 7, 6],
        PE=3,
    )
    model = model.transform(SetJoinFIFODepths())
    assert getCustomOp(model.graph.node[0]).get_nodeattr("inFIFODepths") == [14, 14]


def channels_first(op: str, x: tuple[int, ...], y: tuple[int, ...], *arrays: Any) -> ModelWrapper:
    names = [f"a{place}" for place in range(len(arrays))]
    model = graph_of(
        [helper.make_node(op, ["x", *names], ["y"], name="node")], ("INT4", x), {"y": y}, {}, {}
    )
    model.model.opset_import[0].version = 13
    for name, array in zip(names, arrays, strict=True):
        model.set_initializer(name, np.array(array, np.int64))
    if op == "ReduceSum":
        model.graph.node[0].attribute.append(helper.make_attribute("keepdims", int(len(y) == 4)))
    return model


@pytest.mark.parametrize(
    ("model", "ops"),
    [
        (
            channels_first("Slice", (1, 2, 5, 6), (1, 2, 3, 2), [0, 0], [9, 6], [2, 3], [2, 3]),
            ["Transpose", "Im2Col", "Transpose"],
        ),
        (
            channels_first("Slice", (1, 2, 5, 6), (1, 2, 4, 6), [1], [5], [2], [1]),
            ["Slice"],
        ),
        (
            channels_first("Pad", (1, 2, 3, 3), (1, 7, 3, 3), [0, 1, 0, 0, 0, 4, 0, 0]),
            ["Transpose", "Pad", "Transpose"],
        ),
        (
            channels_first("Pad", (1, 2, 3, 3), (1, 2, 4, 3), [0, 0, 1, 0, 0, 0, 0, 0]),
            ["Pad"],
        ),
        (
            channels_first("ReduceSum", (1, 2, 3, 3), (1, 2), [2, 3]),
            ["Transpose", "ReduceSum", "Reshape"],
        ),
        (
            channels_first("ReduceSum", (1, 2, 3, 3), (1, 2, 1, 1), [-1, -2]),
            ["Transpose", "ReduceSum", "Transpose"],
        ),
        (channels_first("ReduceSum", (1, 2, 3, 3), (1, 3), [1, 2]), ["ReduceSum"]),
    ],
)
def test_what_has_channels_first_gets_them_last(model: ModelWrapper, ops: list[str]) -> None:
    shape = model.get_tensor_shape("x")
    x = np.random.default_rng(6).integers(-8, 8, shape).astype(np.float32)
    wanted = execute_onnx(model, {"x": x})["y"]
    model = model.transform(MakeChannelsLast())
    assert [node.op_type for node in model.graph.node] == ops
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], wanted)
    again = model.transform(MakeChannelsLast())
    assert len(again.graph.node) == len(ops)


def test_slices_of_rows_and_of_columns_are_one_window() -> None:
    model = channels_first("Slice", (1, 2, 5, 6), (1, 2, 3, 6), [0], [5], [2], [2])
    constants = [name for name in model.graph.node[0].input[1:]]
    model.graph.node[0].output[0] = "rows"
    model.graph.node.append(
        helper.make_node("Slice", ["rows", *constants[:2], "columns", constants[3]], ["y"])
    )
    model.set_initializer("a1", np.array([6], np.int64))
    model.set_initializer("columns", np.array([3], np.int64))
    model.set_tensor_shape("rows", [1, 2, 3, 6])
    model.set_tensor_shape("y", [1, 2, 3, 3])
    x = np.random.default_rng(7).integers(-8, 8, (1, 2, 5, 6)).astype(np.float32)
    model = model.transform(MakeChannelsLast())
    assert [node.op_type for node in model.graph.node] == ["Transpose", "Im2Col", "Transpose"]
    assert np.array_equal(execute_onnx(model, {"x": x})["y"], x[:, :, ::2, ::2])


def bits_of_vectors() -> ModelWrapper:
    """x (1, 9) → bits → two layers of XNOR and popcount → products y (1, 3)."""
    popcount = {"domain": QONNX}
    threshold = {"domain": QONNX, "out_dtype": "BINARY"}
    nodes = [
        helper.make_node("MultiThreshold", ["x", "t0"], ["b0"], **threshold),
        helper.make_node("XnorPopcountMatMul", ["b0", "w0"], ["p0"], **popcount),
        helper.make_node("MultiThreshold", ["p0", "t1"], ["b1"], **threshold),
        helper.make_node("XnorPopcountMatMul", ["b1", "w1"], ["p1"], **popcount),
        helper.make_node("Mul", ["p1", "two"], ["double"]),
        helper.make_node("Add", ["double", "centre"], ["y"]),
    ]
    weights = {f"w{i}": (bits(i, *size) > 0) * 1.0 for i, size in enumerate([(9, 4), (4, 3)])}
    constants = {name: ("BINARY", value) for name, value in weights.items()}
    constants |= {
        "t0": ("FLOAT32", np.linspace(-1, 1, 9)[:, None]),
        "t1": ("UINT4", np.array([[3], [5], [0], [10]])),
        "two": ("UINT2", np.array([2.0])),
        "centre": ("INT4", np.array([-4.0])),
    }
    types = {"b0": "BINARY", "p0": "UINT4", "b1": "BINARY", "p1": "UINT3"}
    return graph_of(nodes, ("FLOAT32", (1, 9)), {"y": (1, 3)}, constants, types)


def test_popcounts_of_bits_become_products_of_signs() -> None:
    model = bits_of_vectors()
    x = np.random.default_rng(8).standard_normal((1, 9)).astype(np.float32)
    wanted = execute_onnx(model, {"x": x})["y"]
    model = model.transform(ConvertXnorPopcountToBipolar())
    assert [node.op_type for node in model.graph.node] == ["MultiThreshold", "MatMul"] * 2
    assert model.get_initializer("t1").reshape(-1).tolist() == [-3, 1, -9, 11]
    assert np.array_equal(execute_onnx(model, {"x": x})[model.graph.output[0].name], wanted)
