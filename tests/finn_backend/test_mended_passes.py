"""FINN's own passes where they go wrong, and ours in their place."""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
from finn.transformation.streamline import absorb, reorder
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from numpy.typing import NDArray
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from bnnedge.finn_backend import passes
from bnnedge.finn_backend.passes.absorb_mul_into_multi_threshold import AbsorbMulIntoMultiThreshold
from bnnedge.finn_backend.passes.align_channel_constants import AlignChannelConstants
from bnnedge.finn_backend.passes.factor_out_mul_sign_magnitude import FactorOutMulSignMagnitude
from bnnedge.finn_backend.passes.move_scalar_mul_past_pad import MoveScalarMulPastPad
from bnnedge.finn_backend.passes.move_transpose_past_join_add import MoveTransposePastJoinAdd
from bnnedge.finn_backend.passes.move_transpose_past_join_concat import MoveTransposePastJoinConcat
from bnnedge.finn_backend.passes.round_thresholds import RoundThresholds
from bnnedge.finn_backend.steps import conversions
from bnnedge.finn_backend.streamline import PASSES, TIDY
from tests.finn_backend.designs import DOMAIN
from tests.finn_backend.test_passes import QONNX, bits, graph_of

SCALES = np.float32([[0.5, 0, -0.25, -0.0, 2]])
FOLDER = Path(passes.__file__).parent


def scaled(thresholds: list[float], kind: str = "FLOAT32") -> ModelWrapper:
    """x (1, 5) → Mul → MultiThreshold → y."""
    threshold = helper.make_node(
        "MultiThreshold",
        ["scaled", "t"],
        ["y"],
        domain=QONNX,
        out_scale=2.0,
        out_bias=-1.0,
        out_dtype="BIPOLAR",
    )
    return graph_of(
        [helper.make_node("Mul", ["x", "s"], ["scaled"]), threshold],
        ("INT4", (1, 5)),
        {"y": (1, 5)},
        {"s": (kind, SCALES), "t": ("FLOAT32", np.array(thresholds)[:, None])},
        {"y": "BIPOLAR"},
    )


def run(model: ModelWrapper, x: NDArray[Any]) -> NDArray[Any]:
    out = model.graph.output[0].name
    return np.concatenate([execute_onnx(model, {"x": row[None]})[out] for row in x])


INPUTS = np.random.default_rng(0).integers(-8, 8, (20, 5)).astype(np.float32)


def test_the_sign_of_a_scale_of_0_is_a_bit() -> None:
    """FINN's is 0 in a tensor called BIPOLAR, which no weights of ±1 can absorb."""
    stock = scaled([0, 0, 0, 0, 0]).transform(absorb.FactorOutMulSignMagnitude())
    ours = scaled([0, 0, 0, 0, 0]).transform(FactorOutMulSignMagnitude())
    signs = []
    for model in (stock, ours):
        name = model.graph.node[0].input[1]
        assert model.get_tensor_datatype(name) == DataType["BIPOLAR"]
        signs.append(model.get_initializer(name).reshape(-1).tolist())
    assert signs == [[1, 0, -1, 0, 1], [1, 1, -1, 1, 1]]
    assert np.array_equal(run(ours, INPUTS), run(scaled([0, 0, 0, 0, 0]), INPUTS))
    assert len(ours.transform(FactorOutMulSignMagnitude()).graph.node) == 3


@pytest.mark.parametrize("thresholds", [[1, 0, 1, 0, 3], [0.3, -1, -2, 1, 0]])
def test_a_scale_of_0_decides_by_the_threshold_alone(thresholds: list[float]) -> None:
    """FINN's divides 0 by 0: what is no number is reached by no input, 0 · x reaches 0."""
    model = scaled(thresholds).transform(FactorOutMulSignMagnitude())
    wanted = run(model, INPUTS)
    with np.errstate(all="ignore"):
        stock = model.transform(absorb.AbsorbMulIntoMultiThreshold())
    ours = model.transform(AbsorbMulIntoMultiThreshold())
    assert [node.op_type for node in ours.graph.node] == ["Mul", "MultiThreshold"]
    assert np.array_equal(run(ours, INPUTS), wanted)
    assert np.array_equal(run(stock, INPUTS), wanted) == (0 not in thresholds[1:4:2])


def layer(synapses: int, thresholds: list[float], op: str) -> ModelWrapper:
    """x (1, MW) → a layer with a threshold → y."""
    attributes = {
        **{"MW": synapses, "MH": len(thresholds), "SIMD": 1, "PE": 1, "binaryXnorMode": 1},
        **{"inputDataType": "BINARY", "weightDataType": "BINARY", "outputDataType": "BINARY"},
        "numInputVectors": [1],
        "noActivation": 0,
        "ActVal": 0,
    }
    node = helper.make_node(
        op, ["x", "w", "t"], ["y"], domain=DOMAIN, backend="fpgadataflow", **attributes
    )
    weights = (bits(0, synapses, len(thresholds)) > 0).astype(np.float32)
    return graph_of(
        [node],
        ("BINARY", (1, synapses)),
        {"y": (1, len(thresholds))},
        {"w": ("BINARY", weights), "t": ("FLOAT32", np.array(thresholds)[:, None])},
        {"y": "BINARY"},
    )


def test_thresholds_are_clipped_to_what_a_sum_can_be() -> None:
    """FINN's clips to INT10, in which 784 synapses of one bit do not fit."""
    wanted = [100.5, 600, 784, 1e9, -np.inf, 511.2]
    stock = layer(784, wanted, "MVAU").transform(MinimizeAccumulatorWidth())
    stock = stock.transform(RoundAndClipThresholds())
    assert stock.get_initializer("t").reshape(-1).tolist() == [101, 512, 512, 512, -512, 512]
    ours = layer(784, wanted, "XnorMVAU").transform(RoundThresholds())
    assert ours.get_initializer("t").reshape(-1).tolist() == [101, 600, 784, 785, 0, 512]
    assert ours.get_tensor_datatype("t") == DataType["UINT10"]


def joined(op: str, perms: tuple[list[int], list[int]]) -> ModelWrapper:
    """x (1, 4, 4, 4), turned in two ways, and joined → y."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["double"]),
        *(
            helper.make_node("Transpose", [data], [f"turned_{data}"], perm=perm)
            for data, perm in zip(("double", "triple"), perms, strict=True)
        ),
        helper.make_node(op, ["turned_double", "turned_triple"], ["y"]),
    ]
    nodes.insert(1, helper.make_node("Mul", ["x", "three"], ["triple"]))
    if op == "Concat":
        nodes[-1].attribute.append(helper.make_attribute("axis", 1))
    constants = {"two": ("UINT2", np.array(2.0)), "three": ("UINT2", np.array(3.0))}
    shape = (1, 8 if op == "Concat" else 4, 4, 4)
    return graph_of(nodes, ("INT4", (1, 4, 4, 4)), {"y": shape}, constants, {})


@pytest.mark.parametrize(
    ("op", "stock", "ours"),
    [
        ("Add", reorder.MoveTransposePastJoinAdd, MoveTransposePastJoinAdd),
        ("Concat", reorder.MoveTransposePastJoinConcat, MoveTransposePastJoinConcat),
    ],
)
def test_operands_that_are_turned_in_different_ways_stay(op: str, stock: Any, ours: Any) -> None:
    """FINN's takes the second for turned as the first is."""
    x = np.random.default_rng(1).integers(-8, 8, (1, 4, 4, 4)).astype(np.float32)
    first, last = [0, 3, 1, 2], [0, 2, 3, 1]
    for perms, moves in (((first, last), False), ((first, first), True)):
        model = joined(op, perms)
        wanted = execute_onnx(model, {"x": x})["y"]
        assert np.array_equal(wanted, execute_onnx(model.transform(ours()), {"x": x})["y"])
        moved = execute_onnx(model.transform(stock()), {"x": x})["y"]
        assert np.array_equal(wanted, moved) == moves
        turns = len(model.transform(ours()).get_nodes_by_op_type("Transpose"))
        assert turns == (1 if moves else 2)


def shifted() -> ModelWrapper:
    """x (1, 3, 2, 2) → Add of (3, 1, 1) → MultiThreshold → y."""
    threshold = helper.make_node(
        "MultiThreshold", ["moved", "t"], ["y"], domain=QONNX, out_dtype="UINT2"
    )
    return graph_of(
        [helper.make_node("Add", ["x", "shift"], ["moved"]), threshold],
        ("INT4", (1, 3, 2, 2)),
        {"y": (1, 3, 2, 2)},
        {
            "shift": ("FLOAT32", np.array([1, -2, 0.5]).reshape(3, 1, 1)),
            "t": ("FLOAT32", np.array([[0.5, 2, 4]])),
        },
        {"y": "UINT2"},
    )


def test_a_constant_of_three_axes_is_of_channels() -> None:
    """FINN's takes the last of them for the channels, and leaves the node."""
    x = np.random.default_rng(2).integers(-8, 8, (1, 3, 2, 2)).astype(np.float32)
    stock = shifted().transform(absorb.AbsorbAddIntoMultiThreshold())
    assert [node.op_type for node in stock.graph.node] == ["Add", "MultiThreshold"]
    ours = shifted().transform(AlignChannelConstants())
    ours = ours.transform(absorb.AbsorbAddIntoMultiThreshold())
    assert [node.op_type for node in ours.graph.node] == ["MultiThreshold"]
    wanted = execute_onnx(shifted(), {"x": x})["y"]
    assert np.array_equal(execute_onnx(ours, {"x": x})["y"], wanted)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_scale_moves_past_padding_with_zeros(value: float) -> None:
    """FINN's leaves it in front, where it is between two layers' integers."""
    model = graph_of(
        [
            helper.make_node("Mul", ["x", "s"], ["scaled"]),
            helper.make_node("Pad", ["scaled", "edges", "value"], ["y"]),
        ],
        ("INT4", (1, 2, 3, 3)),
        {"y": (1, 4, 3, 3)},
        {"s": ("FLOAT32", np.array(0.25))},
        {},
    )
    model.set_initializer("edges", np.array([0, 1, 0, 0, 0, 1, 0, 0], np.int64))
    model.set_initializer("value", np.array(value, np.float32))
    x = np.random.default_rng(3).integers(-8, 8, (1, 2, 3, 3)).astype(np.float32)
    stock = model.transform(reorder.MoveScalarLinearPastInvariants())
    ours = model.transform(MoveScalarMulPastPad())
    orders = [[node.op_type for node in one.graph.node] for one in (stock, ours)]
    assert orders == [["Mul", "Pad"], ["Mul", "Pad"] if value else ["Pad", "Mul"]]
    wanted = execute_onnx(model, {"x": x})["y"]
    assert np.array_equal(execute_onnx(ours, {"x": x})["y"], wanted)
    assert (
        ours.get_tensor_datatype(ours.graph.node[1].input[0])
        == DataType["FLOAT32" if value else "INT4"]
    )


def test_mended_passes_import_no_more_than_finn() -> None:
    """So that they can be offered to FINN as they are."""
    allowed = {"numpy", "onnx", "qonnx", "typing", "finn"}
    for path in FOLDER.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        roots = {
            (node.module or "").split(".")[0] for node in tree if isinstance(node, ast.ImportFrom)
        }
        assert roots <= allowed, path


ROOT = Path(__file__).parents[2]


def table() -> list[list[str]]:
    """The rows of the docs' table of stock passes: names, and what each cell says."""
    text = (ROOT / "docs" / "explanation" / "lowering.md").read_text(encoding="utf-8")
    lines = text[text.index("| stock pass |") :].splitlines()[2:]
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_docs_tell_of_every_pass() -> None:
    """Stock passes that are run are "used", and no others; ours stand in the place of one."""
    run = [type(one) for one in conversions()]
    run += [type(one.make()) for one in PASSES] + [*TIDY, absorb.AbsorbScalarMulAddIntoTopK]
    stock = {one.__name__ for one in run if not one.__module__.startswith("bnnedge.")}
    told = {name for row in table() for name in row[0].split(", ")}
    used = {name for row in table() if row[2].startswith("used") for name in row[0].split(", ")}
    elsewhere = {"FoldConstants", "SortGraph", "GiveUniqueParameterTensors", "GemmToMatMul"}
    elsewhere |= {"ConvertQONNXtoFINN", "FoldQuantWeights", "RemoveUnusedTensors"}
    assert used - elsewhere == stock - elsewhere and elsewhere <= used
    assert len(told) == sum(len(row[0].split(", ")) for row in table())
    here = " ".join(row[2] for row in table())
    for one in run:
        if one.__module__.startswith(passes.__name__):
            assert f"passes/{one.__module__.rpartition('.')[2]}.py" in here
        elif one.__name__ not in stock:
            assert f"`{one.__name__}`" in here, one
    assert {f"passes/{path.name}" for path in FOLDER.glob("[a-z]*.py")} <= {*here.split("`")}


def test_the_docs_name_tests_that_are_there() -> None:
    named = {name for row in table() for name in row[4].replace("`", "").split(", ")}
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        there |= {node.name for node in tree if isinstance(node, ast.FunctionDef)}
    assert named <= there
