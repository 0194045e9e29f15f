"""Weights of 0 and of few bits: grids of weights, and ONNX == Dataflow wherever they may stand."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow, IntegerMvu, LutLayer, XnorMvu
from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.grid import grid_of
from bnnedge.lowering.stimuli import adversarial_inputs
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

ONE, ZERO = np.float32([1]), np.float32(0)
Floats = NDArray[np.float32]


def restored(weights: Floats) -> Floats:
    """The integers of `weights` (MH, …), once these are seen to be their multiples."""
    grid = grid_of(weights)
    assert grid is not None
    assert grid.integers.dtype == grid.scale.dtype == np.float32
    assert grid.integers.shape == weights.shape and grid.scale.shape == (len(weights),)
    assert np.abs(grid.integers).max() <= 8 and (grid.integers == np.rint(grid.integers)).all()
    scale = grid.scale.reshape(-1, *[1] * (weights.ndim - 1))
    assert (grid.integers * scale == weights).all()
    return grid.integers


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 8])
def test_multiples_of_any_scale_are_found(most: int) -> None:
    """Products round in float32; what comes out is the coarsest grid of a row."""
    rng = np.random.default_rng(most)
    for _ in range(60):
        integers = rng.integers(-most, most, (12, 9), endpoint=True)
        integers[:, 0], integers[0, 1:] = most, 0
        scale = (2.0 ** rng.uniform(-60, 60, (12, 1))).astype(np.float32)
        found = restored(integers.astype(np.float32) * scale)
        divisors = np.gcd.reduce(integers, axis=1, keepdims=True)
        assert (found * divisors == integers).all()


def test_scales_are_of_rows() -> None:
    rng = np.random.default_rng(1)
    integers = rng.integers(-2, 3, (5, 2, 3, 3)).astype(np.float32)
    integers[:, 0, 0, 0] = 1
    scale = np.float32([0.1, 0.3, 1e-20, 7, 1.1]).reshape(5, 1, 1, 1)
    grid = grid_of(integers * scale)
    assert grid is not None
    assert (grid.scale == scale.ravel()).all() and (grid.integers == integers).all()


def test_a_common_factor_goes_into_the_scale() -> None:
    grid = grid_of(np.float32([[2, -4, 6, 0], [-3, 3, 3, -3], [6, 0, 0, 0], [16, -10, 4, 2]]))
    assert grid is not None
    assert grid.integers.tolist() == [[1, -2, 3, 0], [-1, 1, 1, -1], [1, 0, 0, 0], [8, -5, 2, 1]]
    assert grid.scale.tolist() == [2, 3, 6, 2]


def test_dead_rows_have_a_grid() -> None:
    """±1 and a scale of 0 among rows of ±s; 0 and any scale among others."""
    grid = grid_of(np.float32([[0.3, -0.3], [0, 0]]))
    assert grid is not None
    assert grid.integers.tolist() == [[1, -1], [1, 1]]
    assert grid.scale.tolist() == [np.float32(0.3), 0]
    grid = grid_of(np.float32([[0.3, 0], [0, 0]]))
    assert grid is not None and grid.integers.tolist() == [[1, 0], [0, 0]]
    assert grid_of(np.zeros((3, 4), np.float32)) is None


def test_the_sign_of_a_zero_is_of_no_account() -> None:
    assert restored(np.float32([[0.0, -0.0, 0.5], [1, -1, 0]])).tolist() == [[0, 0, 1], [1, -1, 0]]


@pytest.mark.parametrize(
    "row",
    [
        [1, 9],
        [1, 0.3],
        [2, 17, 3],
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        [*np.arange(1, 11)],
        [1, np.nextafter(np.float32(2), np.float32(3))],
        [0.1, np.nextafter(np.float32(0.3), np.float32(0))],  # three times 0.1f is another
        [1e-30, 1e30],
        [1e-45, 1],
    ],
)
def test_what_has_no_grid(row: list[float]) -> None:
    assert grid_of(np.float32([row])) is None
    assert grid_of(np.float32([[1] * len(row), row])) is None


def test_the_smallest_floats_have_a_grid() -> None:
    assert restored(np.float32([[1e-45, 0, -1e-45]])).tolist() == [[1, 0, -1]]
    assert restored(np.float32([[1e-45, 0, -4e-45]])).tolist() == [[1, 0, -3]]


def integers_of(rng: np.random.Generator, most: int, *shape: int) -> Floats:
    """Weights up to ±`most`; about a third of them 0, some rows without any, some without 0."""
    weights = rng.integers(-most, most, shape, endpoint=True)
    weights[rng.random(shape) < 0.2] = 0
    weights[0], weights[-1] = 0, rng.choice([-most, most], shape[1:])
    return weights.astype(np.float32)


def equal(graph: Graph, folder: Path, *, lifted: bool = False) -> Dataflow:
    """The Dataflow of a graph, whose results are the file's own."""
    path = graph.save(folder / "net.onnx")
    made = lower_model(path, LoweringConfig(check_images=16))
    assert bool(made.facts["lifted"]) == lifted
    dataflow = made.dataflow
    x = adversarial_inputs(dataflow, 24, 0)
    results = dataflow.logits(x)
    wanted = execute(path, x).reshape(len(x), -1)
    if lifted:  # the file's sums round
        assert np.allclose(results, wanted, rtol=1e-5, atol=1e-4)
    else:
        assert np.array_equal(results, wanted)
    assert len(np.unique(results, axis=0)) > 1
    return dataflow


def quantised(graph: Graph, bits: int, scale: float = 1, *, signed: int = 1) -> None:
    graph.add("Quant", np.float32(scale), ZERO, np.float32(bits), signed=signed, narrow=0)


def sources(graph: Graph, kind: str) -> int:
    """Bits or integers for layers; returns the greatest weight there may be."""
    match kind:
        case "bits":
            graph.add("BipolarQuant", ONE)
        case "two levels":
            graph.add("BipolarQuant", np.float32([0.5]))
        case "integers":
            quantised(graph, 3)
        case "pixels":
            quantised(graph, 8, signed=0)
    return 1 if kind in ("bits", "two levels") else 8


KINDS = ("bits", "two levels", "integers", "pixels")


def some_slow(cases: Iterable[tuple[Any, ...]], quick: list[tuple[Any, ...]]) -> list[Any]:
    """Parameters of which the `quick` ones are run by default."""
    return [
        case if case in quick else pytest.param(*case, marks=pytest.mark.slow) for case in cases
    ]


@pytest.mark.parametrize(
    ("kind", "op"),
    some_slow(product(KINDS, ("MatMul", "Gemm")), [("bits", "MatMul"), ("integers", "Gemm")]),
)
def test_matrices(kind: str, op: str, tmp_path: Path) -> None:
    """A hidden and a last layer, with scales that are powers of two, and a bias of the Gemm."""
    rng = np.random.default_rng(2)
    graph = Graph((1, 20))
    most = sources(graph, kind)
    hidden, last = integers_of(rng, most, 13, 20), integers_of(rng, 1, 4, 13)
    scale = rng.choice(np.float32([0.25, 1, 2]), (13, 1))
    if op == "MatMul":
        graph.add("MatMul", (hidden * scale).T)
    else:
        graph.add("Gemm", hidden * scale, rng.integers(-2, 3, 13).astype(np.float32), transB=1)
    adversarial_norm(rng, 40, 13).append(graph)
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", last.T)
    first, end = equal(graph, tmp_path).mvus
    assert isinstance(first, XnorMvu if most == 1 else IntegerMvu) and isinstance(end, XnorMvu)
    assert (end.values == last).all()
    factor = np.gcd.reduce(hidden.astype(int), axis=1, keepdims=True)
    assert (first.values * np.maximum(factor, 1) == hidden).all()


@pytest.mark.parametrize(
    ("kind", "groups", "padding"),
    some_slow(product(KINDS, (1, 2), (0, 1)), [("bits", 1, 1), ("integers", 2, 1)]),
)
def test_convolutions(kind: str, groups: int, padding: int, tmp_path: Path) -> None:
    """Padding of bits is an exact 0, in the hidden layer and in the last one."""
    rng = np.random.default_rng(3)
    graph = Graph((1, 2, 6, 6))
    most = sources(graph, kind)
    graph.add(
        "Conv",
        integers_of(rng, most, 6, 2 // groups, 3, 3),
        group=groups,
        pads=[padding] * 4,
        strides=[2, 2],
    )
    graph.add("Add", rng.integers(-3, 3, (6, 1, 1)) + 0.5)
    graph.add("BipolarQuant", ONE)
    last = integers_of(rng, 1, 3, 6, 2, 2)
    graph.add("Conv", last, pads=[padding] * 4)
    graph.add("GlobalAveragePool")
    graph.add("Flatten")
    dataflow = equal(graph, tmp_path)
    first, end = dataflow.mvus
    assert first.magnitudes is not None and isinstance(end, XnorMvu)
    assert (end.values == last.transpose(0, 2, 3, 1).reshape(3, -1)).all()
    assert (end.correction is not None) == (padding == 1)


@pytest.mark.parametrize("scale", [0.3, 0.0137])
@pytest.mark.parametrize("kind", ["bits", "integers"])
def test_scales_that_round(kind: str, scale: float, tmp_path: Path) -> None:
    """As Brevitas folds them into the weights; what they change of a sum is in the last bit."""
    rng = np.random.default_rng(4)
    graph = Graph((1, 20))
    hidden = integers_of(rng, sources(graph, kind), 13, 20)
    graph.add("MatMul", (hidden * np.float32(scale)).T)
    graph.add("Add", rng.normal(0, 1, 13))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", integers_of(rng, 1, 4, 13).T * np.float32(scale))
    first, _ = equal(graph, tmp_path, lifted=True).mvus
    assert first.magnitudes is not None


def test_weights_of_a_quantiser_of_two_bits(tmp_path: Path) -> None:
    """Narrow: −1, 0 and 1, between layers whose activations have two bits, too."""
    rng = np.random.default_rng(5)
    graph = Graph((1, 20))
    quantised(graph, 2)
    for width, height in ((20, 9), (9, 4)):
        here, graph.last = graph.last, graph.constant(rng.uniform(-1, 1, (width, height)))
        parameters = np.float32(0.5), ZERO, np.float32(2)
        weights = graph.add("Quant", *parameters, signed=1, narrow=1)
        graph.last = here
        graph.add("MatMul", weights)
        if height == 9:
            graph.add("Add", rng.integers(-2, 3, 9) + 0.25)
            quantised(graph, 2)
    for mvu in equal(graph, tmp_path).mvus:
        assert isinstance(mvu, IntegerMvu) and np.unique(mvu.values).tolist() == [-1, 0, 1]


@pytest.mark.parametrize("fan_in", [8, 9])
def test_rows_of_as_few_bits_as_a_table_has_are_tables(fan_in: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(fan_in)
    weights = np.zeros((20, 30), np.float32)
    for row in weights.T:
        row[rng.choice(20, fan_in, replace=False)] = rng.choice([-1, 1], fan_in)
    graph = Graph((1, 20))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", weights)
    graph.add("Add", np.float32(0.5))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 30, 3))
    kind = LutLayer if fan_in == 8 else XnorMvu
    assert isinstance(equal(graph, tmp_path).nodes[0], kind)


@pytest.mark.parametrize("most", [2, 8])
def test_a_layer_may_be_the_only_one(most: int, tmp_path: Path) -> None:
    graph = Graph((1, 20))
    quantised(graph, 4)
    weights = integers_of(np.random.default_rng(6), most, 5, 20)
    graph.add("MatMul", weights.T)
    (mvu,) = equal(graph, tmp_path).mvus
    factor = np.gcd.reduce(weights.astype(int), axis=1, keepdims=True)
    assert (mvu.values * np.maximum(factor, 1) == weights).all()


@pytest.mark.parametrize("op", ["MatMul", "Conv"])
def test_more_than_ternary_weights_on_bits_are_refused_in_one_line(op: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    graph = Graph((1, 20) if op == "MatMul" else (1, 2, 3, 3))
    graph.add("BipolarQuant", ONE)
    weights = integers_of(rng, 7, 4, 20) if op == "MatMul" else integers_of(rng, 7, 4, 2, 3, 3)
    graph.add(op, weights.T if op == "MatMul" else weights, name="wide")
    graph.add("Flatten")
    with pytest.raises(
        LoweringError,
        match=r"node wide .*: its weights take more than -1, 0 and 1, and its inputs only -1 and 1"
        r" — quantise its inputs to 2 bits or more, or its weights to 2 bits or less",
    ) as caught:
        lower_model(graph.save(tmp_path / "net.onnx"), LoweringConfig())
    assert "\n" not in str(caught.value)
