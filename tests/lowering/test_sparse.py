"""Sums of a few inputs: PyTorch = QONNX = tables or a matrix of the Dataflow."""

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from bnnedge.data.encodings import QuantileThermometer
from bnnedge.dataflow import Dataflow, IntegerMvu, LutLayer, XnorMvu
from bnnedge.errors import LoweringError
from bnnedge.exporter.check import compare_norms, compare_streams
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.tables import tables_of_sums
from bnnedge.models.config import NetworkConfig, Neuron, Topology
from bnnedge.models.network import Network
from bnnedge.ops import AffineBatchNorm, BinaryLinear, ScalarNorm, Sign, SparseLinear
from bnnedge.ops import LutLayer as TorchLutLayer
from tests.lowering.graphs import execute
from tests.lowering.test_tables import lowered
from tests.models.networks import random_network

QONNX = "qonnx.custom_op.general"
Floats = NDArray[np.float32]


def network(widths: tuple[int, ...], fan_in: int, seed: int) -> Network:
    """Exact ties, scales that are negative or zero, thresholds beyond both ends, equal rows."""
    config = NetworkConfig(
        topology=Topology.LUTNET, hidden=widths, fan_in=fan_in, neuron=Neuron.SUM
    )
    encoding = QuantileThermometer(levels=(3.0, 6.0))
    model = random_network(config, input_shape=(1, 3, 3), encoding=encoding, classes=3, seed=seed)
    for name, layer in model.layers.items():
        if isinstance(layer.weights, SparseLinear):
            assert layer.norm.running_mean is not None
            layer.norm.running_mean[1::9], layer.norm.running_mean[2::9] = -fan_in - 2, fan_in + 2
            layer.weights.weight.data[3::11] = layer.weights.weight.data[0].clone()
        else:
            assert name == "output"
    return model


def in_every_way(widths: tuple[int, ...], fan_in: int, seed: int, path: Path) -> None:
    model = network(widths, fan_in, seed)
    graph = to_qonnx(model)
    onnx.save(graph, path)
    x = np.random.default_rng(seed).integers(0, 10, (200, 1, 3, 3)).astype(np.float32)
    compare_streams(model, graph, x)
    assert compare_norms(model, graph).ties
    dataflow = lower_model(path, LoweringConfig()).dataflow
    names = [node.name for node in dataflow.nodes]
    assert names == [*(f"lut_{index}" for index in range(len(widths))), f"mvu_{len(widths)}"]
    streams, trace = model.trace(torch.from_numpy(x)), dataflow.trace(x)
    for index in range(len(widths)):
        wanted = streams[f"hidden.{index}.sign"].numpy()
        assert np.array_equal(2.0 * trace[f"lut_{index}"] - 1, wanted)
    assert np.array_equal(dataflow.logits(x), streams["output.norm"].numpy())


@pytest.mark.parametrize("seed", [4, 6])
def test_equal_in_every_way(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    widths = (*(int(n) for n in rng.integers(9, 300, seed % 3)), 3 * int(rng.integers(1, 30)))
    in_every_way(widths, 1 + seed, seed, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 240))
def test_equal_in_every_way_of_many(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    fan_in = 1 + seed % 8
    widths = (*(int(n) for n in rng.integers(9, 300, seed % 4)), 3 * int(rng.integers(1, 100)))
    in_every_way(widths, fan_in, seed, tmp_path / "model.onnx")


def random_matrix(rng: np.random.Generator, inputs: int, rows: int, fan_in: int) -> Floats:
    """(inputs, rows) of −1, 0 and 1, at most `fan_in` of a row not 0: some rows have none."""
    weights = np.zeros((inputs, rows), np.float32)
    for row in range(rows):
        count = fan_in if row == 0 else int(rng.integers(0, fan_in + 1))
        weights[rng.choice(inputs, count, replace=False), row] = rng.choice([-1, 1], count)
    return weights


@pytest.mark.parametrize("fan_in", range(1, 9))
def test_a_table_is_its_sum_at_every_input(fan_in: int) -> None:
    rng = np.random.default_rng(fan_in)
    weights = random_matrix(rng, 9, 40, fan_in).T
    threshold = rng.integers(-fan_in - 2, fan_in + 3, 40)
    invert = rng.random(40) < 0.5
    made = tables_of_sums(weights, threshold, invert)
    assert made.wiring.shape == (40, fan_in)
    node = LutLayer(
        name="n", wiring=made.wiring.astype(np.int32), tables=made.contents.astype(np.uint8)
    )
    bits = np.array([*product((0, 1), repeat=9)], np.uint8)
    sums = (2 * bits.astype(np.int64) - 1) @ weights.T.astype(np.int64)
    assert np.array_equal(node.run(bits), (sums >= threshold) ^ invert)


def test_switches_are_what_another_input_would_change() -> None:
    made = tables_of_sums(np.ones((1, 3), np.float32), np.array([3]), np.array([False]))
    node = LutLayer(
        name="n", wiring=made.wiring.astype(np.int32), tables=made.contents.astype(np.uint8)
    )
    bits = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]], np.uint8)
    assert node.switches(bits).tolist() == [[True], [True], [False], [False]]


def graph(
    weights: Floats, *, form: str = "quant", last: Floats | None = None, sign: str = "BipolarQuant"
) -> onnx.ModelProto:
    """Signs of inputs, a matrix (inputs, rows) written in some form, a norm, signs, and sums."""
    inputs, rows = weights.shape
    rng = np.random.default_rng(rows)
    scale, shift = rng.normal(size=(2, rows)).astype(np.float32)
    scale[::5], shift[::3] = 0, 0
    shift[1::4] = -scale[1::4]  # a tie at the sum 1
    arrays = {"half": np.float32([0.5]), "one": np.float32(1), "scale": scale, "shift": shift}
    arrays["last"] = rng.choice(np.float32([-1, 1]), (rows, 3)) if last is None else last
    made: list[onnx.NodeProto] = []
    match form:
        case "quant":
            arrays |= {"w": weights, "zero": np.float32(0), "bits": np.float32(2)}
            names = ["w", "one", "zero", "bits"]
            made = [helper.make_node("Quant", names, ["m"], "q", domain=QONNX, signed=1, narrow=1)]
        case "mask":
            latent = np.where(weights == 0, rng.normal(size=weights.shape), weights)
            arrays |= {"w": latent.astype(np.float32), "mask": np.abs(weights)}
            made = [
                helper.make_node("BipolarQuant", ["w", "one"], ["b"], "q", domain=QONNX),
                helper.make_node("Mul", ["b", "mask"], ["m"], "masked"),
            ]
        case "scaled":
            arrays["m"] = weights * np.float32(0.3) * rng.random(rows).astype(np.float32)
    nodes = [
        helper.make_node("Sub", ["x", "half"], ["d"], "shifted"),
        helper.make_node("BipolarQuant", ["d", "one"], ["s"], "sign", domain=QONNX),
        *made,
        helper.make_node("MatMul", ["s", "m"], ["a"], "sums"),
        helper.make_node("Mul", ["a", "scale"], ["scaled"], "mul"),
        helper.make_node("Add", ["scaled", "shift"], ["normed"], "add"),
        helper.make_node(sign, ["normed", "one"][: 2 if sign != "Tanh" else 1], ["t"], "signs"),
        helper.make_node("MatMul", ["t", "last"], ["y"], "end"),
    ]
    if sign != "Tanh":
        nodes[-2].domain = QONNX
    kind = onnx.TensorProto.FLOAT
    return helper.make_model(
        helper.make_graph(
            nodes,
            "sparse",
            [helper.make_tensor_value_info("x", kind, [1, inputs])],
            [helper.make_tensor_value_info("y", kind, [1, 3])],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(QONNX, 2)],
        ir_version=9,
    )


@pytest.mark.parametrize("form", ["quant", "mask", "scaled"])
@pytest.mark.parametrize("fan_in", [3, 8])
def test_foreign_matrices_with_zeros_become_tables(form: str, fan_in: int, tmp_path: Path) -> None:
    """Rows of different lengths, empty ones too; scaled sums round as the file's own."""
    weights = random_matrix(np.random.default_rng(fan_in), 20, 30, fan_in)
    onnx.save(graph(weights, form=form), tmp_path / "model.onnx")
    made = lower_model(tmp_path / "model.onnx", LoweringConfig())
    luts, end = made.dataflow.nodes
    assert isinstance(luts, LutLayer) and isinstance(end, XnorMvu)
    assert luts.wiring.shape == (30, fan_in)
    assert made.facts["checks"]["original"]["images"] >= 100  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["quant", "mask", "scaled"])
def test_hundreds_of_matrices_become_tables(form: str, tmp_path: Path) -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        fan_in = 1 + seed % 8
        inputs, rows = int(rng.integers(9, 301)), int(rng.integers(1, 301))
        onnx.save(graph(random_matrix(rng, inputs, rows, fan_in), form=form), tmp_path / "m.onnx")
        luts = lower_model(tmp_path / "m.onnx", LoweringConfig()).dataflow.nodes[0]
        assert isinstance(luts, LutLayer) and luts.wiring.shape == (rows, fan_in)


def test_scaled_sums_that_round_at_a_tie_are_counted(tmp_path: Path) -> None:
    """The file adds 0.3 up seven times and takes one away: not six times 0.3 in every order."""
    weights = random_matrix(np.random.default_rng(4), 20, 30, 8)
    weights[:, 0] = np.arange(20) < 8
    rounded = 0
    for scale in np.float32([0.3, 1.1, 0.013, 0.1]):
        model = graph(weights, form="scaled")
        shift = np.full(30, scale / 2, np.float32)
        shift[0] = -6 * scale
        arrays = {"m": weights * scale, "scale": np.ones(30, np.float32), "shift": shift}
        for tensor in model.graph.initializer:
            if tensor.name in arrays:
                tensor.CopyFrom(numpy_helper.from_array(arrays[tensor.name], tensor.name))
        onnx.save(model, tmp_path / "model.onnx")
        facts = lower_model(tmp_path / "model.onnx", LoweringConfig()).facts
        assert facts["lifted"] == [{"layer": "sums", "what": "weight scale"}]
        rounded += facts["checks"]["original"]["rounding_images"]  # type: ignore[index]
    assert rounded


class Between(nn.Module):
    """Sparse sums between dense ones and tables, read by two layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.sign, self.first, self.norm = Sign(), BinaryLinear(12, 21), AffineBatchNorm(21)
        self.signs, self.sums = Sign(), SparseLinear(21, 16, 5)
        self.inverted, self.again = AffineBatchNorm(16), Sign()
        self.tables, self.more = TorchLutLayer(16, 8, 3), SparseLinear(16, 8, 2)
        self.last, self.other, self.third = Sign(), BinaryLinear(8, 5), BinaryLinear(8, 5)
        self.join, self.end, self.scale = Sign(), BinaryLinear(5, 4), ScalarNorm()
        self.inverted.weight.data[::2] = -1

    def forward(self, x: Tensor) -> Tensor:
        x = self.signs(self.norm(self.first(self.sign(x))))
        x = self.again(self.inverted(self.sums(x)))
        both = self.other(self.tables(x)) + self.third(self.last(self.more(x)))
        out: Tensor = self.scale(self.end(self.join(both + 0.5)))
        return out


def test_sparse_sums_stand_between_other_layers(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(120, 12)).astype(np.float32)
    dataflow = lowered(Between(), x, tmp_path)
    assert sum(isinstance(node, LutLayer) for node in dataflow.nodes) == 3


class TwoThresholds(nn.Module):
    """Sums that two layers see through thresholds of their own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.sign, self.sums = Sign(), SparseLinear(9, 6, 4)
        self.one, self.two = Sign(), Sign()
        self.left, self.right = BinaryLinear(6, 3), BinaryLinear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        sums = self.sums(self.sign(x))
        out: Tensor = self.left(self.one(sums - 1)) + self.right(self.two(sums + 3))
        return out


def test_sums_with_two_thresholds_are_those_of_a_matrix(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32)
    dataflow = lowered(nn.Sequential(TwoThresholds(), Sign(), BinaryLinear(3, 2)), x, tmp_path)
    assert [type(node).__name__ for node in dataflow.nodes][:3] == [
        "XnorMvu",
        "Threshold",
        "Threshold",
    ]
    assert (dataflow.mvus[0].sums == 4).all()


def exact(model: onnx.ModelProto, folder: Path) -> Dataflow:
    """The Dataflow of a file, which gives what the file gives."""
    onnx.save(model, folder / "model.onnx")
    dataflow = lower_model(folder / "model.onnx", LoweringConfig()).dataflow
    x = np.random.default_rng(0).uniform(-3, 4, (40, *dataflow.input.input_shape))
    x = x.astype(np.float32)
    results = dataflow.logits(x)
    assert np.array_equal(results, execute(folder / "model.onnx", x).reshape(len(x), -1))
    assert len(np.unique(results, axis=0)) > 4
    return dataflow


@pytest.mark.parametrize("form", ["quant", "mask"])
def test_longer_sums_are_those_of_a_matrix(form: str, tmp_path: Path) -> None:
    weights = random_matrix(np.random.default_rng(1), 20, 30, 9)
    sums, _ = exact(graph(weights, form=form), tmp_path).nodes
    assert isinstance(sums, XnorMvu) and sums.thresholds is not None
    assert np.array_equal(sums.values, weights.T)


def test_a_last_layer_may_have_few_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    few, last = random_matrix(rng, 20, 30, 4), random_matrix(rng, 30, 3, 4)
    luts, end = exact(graph(few, last=last), tmp_path).nodes
    assert isinstance(luts, LutLayer) and isinstance(end, XnorMvu)
    assert np.array_equal(end.values, last.T)


def test_sums_of_integers_are_those_of_a_matrix(tmp_path: Path) -> None:
    weights = random_matrix(np.random.default_rng(2), 20, 30, 4)
    model = graph(weights)
    sign = next(node for node in model.graph.node if node.name == "sign")
    arguments = ["d", "one", "zero", "bits"]
    sign.CopyFrom(
        helper.make_node("Quant", arguments, ["s"], "sign", domain=QONNX, signed=1, narrow=0)
    )
    sums, _ = exact(model, tmp_path).nodes
    assert isinstance(sums, IntegerMvu) and sums.thresholds is not None
    assert np.array_equal(sums.values, weights.T)


def refused(model: onnx.ModelProto, folder: Path) -> str:
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(LoweringError) as caught:
        lower_model(folder / "model.onnx", LoweringConfig())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_sum_of_few_bits_is_refused_in_one_line(tmp_path: Path) -> None:
    few = random_matrix(np.random.default_rng(1), 20, 30, 4)
    uneven = np.where(few == 0, few, few + np.float32(0.3))
    assert "node sums (MatMul): weights are not of few bits" in refused(
        graph(uneven, form="scaled"), tmp_path
    )
    assert "not binarised" in refused(graph(few, sign="Tanh"), tmp_path)
