"""Layers of tables: PyTorch = ONNX's reference = onnxruntime = Dataflow, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from bnnedge.custom_op import DOMAIN, add_functions, lut_function
from bnnedge.data.encodings import QuantileThermometer
from bnnedge.dataflow import Dataflow, LutLayer, XnorMvu
from bnnedge.errors import LoweringError, MismatchError
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.exporter.own_module import export
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.lowering.execute import session_of
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.ops import AffineBatchNorm, BinaryLinear, ScalarNorm, Sign
from bnnedge.ops import LutLayer as TorchLutLayer
from tests.models.networks import random_network


def adversarial_(layer: TorchLutLayer, seed: int) -> TorchLutLayer:
    """Constant and equal tables, wires used twice, and inputs that none takes."""
    rng = torch.Generator().manual_seed(seed)
    tables, fan_in = layer.out_features, layer.fan_in
    kinds = torch.randint(0, 6, (tables,), generator=rng)
    layer.tables.data[kinds == 0] = 1.0
    layer.tables.data[kinds == 1] = -1.0
    wires = layer.wires.data.view(tables, fan_in, -1)
    wires[kinds == 2, -1] = wires[kinds == 2, 0]
    wires[kinds == 3], layer.tables.data[kinds == 3] = (
        wires[:1].clone(),
        layer.tables.data[:1].clone(),
    )
    wires[:, :, : layer.in_features // 4] -= 9
    return layer


class Between(nn.Module):
    """Tables between binary layers, and what a graph may do with their outputs."""

    def __init__(self, fan_in: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.sign, self.first, self.norm = Sign(), BinaryLinear(12, 21), AffineBatchNorm(21)
        self.again = Sign()
        self.luts = adversarial_(TorchLutLayer(21, 15, fan_in), seed)
        self.inverted = AffineBatchNorm(15)
        self.third = Sign()
        self.more = adversarial_(TorchLutLayer(15, 9, fan_in), seed + 1)
        self.last, self.end = BinaryLinear(9, 4), ScalarNorm()
        self.inverted.weight.data[::2] = -1  # flips what the tables give

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.norm(self.first(self.sign(x))))
        x = self.more(self.third(self.inverted(self.luts(x))))
        out: Tensor = self.end(self.last(x))
        return out


class Shared(nn.Module):
    """Tables that two layers of tables read."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.sign, self.luts = Sign(), TorchLutLayer(8, 10, 3)
        self.one, self.two = TorchLutLayer(10, 6, 2), TorchLutLayer(10, 6, 4)
        self.sums, self.signs = BinaryLinear(6, 5), BinaryLinear(6, 5)
        self.end, self.last = Sign(), BinaryLinear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.luts(self.sign(x))
        out: Tensor = self.last(self.end(self.sums(self.one(x)) + self.signs(self.two(x)) + 0.5))
        return out


def lowered(module: nn.Module, x: np.ndarray, folder: Path) -> Dataflow:
    """Exported and lowered; logits are PyTorch's."""
    module.eval()
    export(module, x, folder / "export")
    dataflow = lower_model(folder / "export" / "model.onnx", LoweringConfig()).dataflow
    with torch.no_grad():
        assert np.array_equal(dataflow.logits(x), module(torch.from_numpy(x)).numpy())
    return dataflow


@pytest.mark.parametrize("fan_in", [1, 4])
def test_tables_stand_between_other_layers(fan_in: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(120, 12)).astype(np.float32)
    dataflow = lowered(Between(fan_in, seed=fan_in), x, tmp_path)
    kinds = [type(node).__name__ for node in dataflow.nodes]
    assert kinds == ["XnorMvu", "LutLayer", "LutLayer", "XnorMvu"]


def test_several_layers_read_the_same_tables(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    dataflow = lowered(Shared(), x, tmp_path)
    assert sum(isinstance(node, LutLayer) for node in dataflow.nodes) == 3


def network(widths: tuple[int, ...], fan_in: int, seed: int) -> nn.Module:
    config = NetworkConfig(topology=Topology.LUTNET, hidden=widths, fan_in=fan_in)
    encoding = QuantileThermometer(levels=(3.0, 6.0))
    model = random_network(config, input_shape=(1, 3, 3), encoding=encoding, classes=3, seed=seed)
    for layer in model.modules():
        if isinstance(layer, TorchLutLayer):
            adversarial_(layer, seed)
    return model


def in_every_way(widths: tuple[int, ...], fan_in: int, seed: int, path: Path) -> None:
    """PyTorch's logits are those of the Dataflow, and its bits those of the op's function."""
    model = network(widths, fan_in, seed)
    graph = to_qonnx(model)  # type: ignore[arg-type]
    onnx.save(graph, path)
    dataflow = lower_model(path, LoweringConfig()).dataflow
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 10, (80, 1, 3, 3)).astype(np.float32)
    streams = model.trace(torch.from_numpy(x))  # type: ignore[operator]
    assert np.array_equal(dataflow.logits(x), streams["output.norm"].numpy())
    trace = dataflow.trace(x)
    names = [node.name for node in dataflow.nodes]
    assert names == [*(f"lut_{index}" for index in range(len(widths))), f"mvu_{len(widths)}"]
    before = streams["encoding"].numpy()
    for index in range(len(widths)):
        wanted = streams[f"hidden.{index}"].numpy()
        assert np.array_equal(2.0 * trace[f"lut_{index}"] - 1, wanted)
        alone = only(graph, f"hidden.{index}", before.shape, wanted.shape)
        assert np.array_equal(ReferenceEvaluator(alone).run(None, {"x": before})[0], wanted)
        assert np.array_equal(session_of(alone).run(None, {"x": before})[0], wanted)
        before = wanted


def only(
    graph: onnx.ModelProto, name: str, shape: tuple[int, ...], given: tuple[int, ...]
) -> onnx.ModelProto:
    """One node of a graph, with the function that the graph brings."""
    node = onnx.NodeProto()
    node.CopyFrom(next(node for node in graph.graph.node if node.name == name))
    node.input[0] = "x"
    kind = onnx.TensorProto.FLOAT
    alone = helper.make_graph(
        [node],
        "alone",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(node.output[0], kind, given)],
        [tensor for tensor in graph.graph.initializer if tensor.name in node.input],
    )
    return helper.make_model(
        alone,
        opset_imports=graph.opset_import,
        ir_version=graph.ir_version,
        functions=graph.functions,
    )


@pytest.mark.parametrize("seed", [2, 7])
def test_equal_in_every_way(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    widths = (*(int(n) for n in rng.integers(1, 300, seed % 3)), 3 * int(rng.integers(1, 30)))
    in_every_way(widths, 1 + seed, seed, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_equal_in_every_way_of_many(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    widths = (*(int(n) for n in rng.integers(1, 300, seed % 4)), 3 * int(rng.integers(1, 100)))
    in_every_way(widths, 1 + seed % 8, seed, tmp_path / "model.onnx")


def test_ones_are_counted_by_a_matrix_of_groups(tmp_path: Path) -> None:
    onnx.save(to_qonnx(network((12,), 4, 0)), tmp_path / "model.onnx")  # type: ignore[arg-type]
    count = lower_model(tmp_path / "model.onnx", LoweringConfig()).dataflow.nodes[-1]
    assert isinstance(count, XnorMvu) and (count.weights == 1).all()
    assert (count.groups, count.thresholds, count.mw) == (3, None, 4)


def plain(wiring: np.ndarray, tables: np.ndarray, *, function: bool = True) -> onnx.ModelProto:
    """Signs of four inputs through tables, then a matrix of ones."""
    node = helper.make_node(
        "LutLayer", ["s", "wiring", "tables"], ["t"], name="luts", domain=DOMAIN
    )
    nodes = [
        helper.make_node("Sub", ["x", "half"], ["d"], name="shift"),
        helper.make_node(
            "BipolarQuant", ["d", "one"], ["s"], name="sign", domain="qonnx.custom_op.general"
        ),
        node,
        helper.make_node("MatMul", ["t", "w"], ["y"], name="sums"),
    ]
    arrays = {
        "half": np.float32([0.5]),
        "one": np.float32(1),
        "wiring": wiring,
        "tables": tables,
        "w": np.ones((len(wiring), 2), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tables",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("qonnx.custom_op.general", 2)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if function:
        add_functions(model)
    return model


WIRING = np.int32([[0, 1], [3, 3], [2, 0]])
TABLES = np.uint8([[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 1]])


@pytest.mark.parametrize("function", [True, False])
def test_the_function_may_be_missing(function: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(plain(WIRING, TABLES, function=function), path)
    node = lower_model(path, LoweringConfig()).dataflow.nodes[0]
    assert isinstance(node, LutLayer)
    assert np.array_equal(node.wiring, WIRING) and np.array_equal(node.tables, TABLES)


def test_a_function_that_does_something_else_is_found(tmp_path: Path) -> None:
    """What other runtimes would run is not what the node means."""
    model = plain(WIRING, TABLES)
    sign = helper.make_node("Sign", ["d"], ["s"], name="sign")
    model.graph.node[1].CopyFrom(sign)
    high = next(node for node in model.functions[0].node if node.op_type == "Greater")
    high.op_type = "Less"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(MismatchError, match="differs from what the file gives"):
        lower_model(tmp_path / "model.onnx", LoweringConfig())


def _set(name: str, array: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(one for one in model.graph.initializer if one.name == name)
        tensor.CopyFrom(numpy_helper.from_array(array, name))

    return change


def _as_data(model: onnx.ModelProto) -> None:
    model.graph.node[2].input[2] = "s"


def _last(model: onnx.ModelProto) -> None:
    del model.graph.node[3:]
    model.graph.node[2].output[0] = "y"


DAMAGES: dict[str, tuple[Callable[[onnx.ModelProto], None], str]] = {
    "wires beyond": (_set("wiring", WIRING + 2), "wanted wires to its 4 inputs, got 2 to 5"),
    "wires below": (_set("wiring", WIRING - 1), "wanted wires to its 4 inputs, got -1 to 2"),
    "long wires": (_set("wiring", WIRING.astype(np.int64)), "wanted wiring .* int32, got int64"),
    "flat wires": (_set("wiring", WIRING[0]), r"wiring of two axes, int32, got int32 \(2,\)"),
    "real tables": (_set("tables", TABLES.astype(np.float32)), "uint8, got float32"),
    "short tables": (_set("tables", TABLES[:, :2]), r"wiring \(3, 2\) and tables \(3, 2\)"),
    "few tables": (_set("tables", TABLES[:2]), r"wiring \(3, 2\) and tables \(2, 4\)"),
    "other entries": (_set("tables", TABLES * 3), "hold more than 0 and 1"),
    "wide tables": (_set("wiring", np.zeros((3, 9), np.int32)), "wanted tables of 1 to 8 inputs"),
    "computed": (_as_data, "wanted constant tables"),
    "at the end": (_last, "wanted a last layer behind it|does not fit|no MatMul"),
    "no input": (lambda model: model.graph.node[2].input.pop(), "wanted 3 inputs, got 2"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_node_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    damage, text = DAMAGES[name]
    model = plain(WIRING, TABLES, function=False)
    damage(model)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(LoweringError, match=text) as caught:
        lower_model(tmp_path / "model.onnx", LoweringConfig())
    assert "luts" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("opset", [13, 17, 20, 22])
def test_the_function_is_of_any_opset(opset: int) -> None:
    model = plain(WIRING, TABLES)
    alone = only(model, "luts", (5, 4), (5, 3))
    alone.functions[0].CopyFrom(lut_function(opset))
    next(one for one in alone.opset_import if not one.domain).version = opset
    onnx.checker.check_model(alone)
    x = np.random.default_rng(0).choice(np.float32([-1, 1]), (5, 4))
    wanted = (
        2.0 * LutLayer(name="n", wiring=WIRING, tables=TABLES).run((x > 0).astype(np.uint8)) - 1
    )
    assert np.array_equal(ReferenceEvaluator(alone).run(None, {"x": x})[0], wanted)
    assert np.array_equal(session_of(alone).run(None, {"x": x})[0], wanted)
