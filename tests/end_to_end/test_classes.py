"""Classes found in hardware behind a BatchNorm per class: PyTorch → ONNX → Dataflow → RTL."""

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

import bnnedge
from bnnedge.lowering import LoweringConfig, lower
from tests.lowering.graphs import Graph


class _Binary(nn.Module):
    """±1 weights; sums of an odd number of ±1, so that no sign is 0."""

    def __init__(self, hidden: nn.Module, norm: nn.Module, last: nn.Linear) -> None:
        super().__init__()
        self.hidden, self.norm, self.last = hidden, norm, last
        self.scores = nn.BatchNorm1d(last.out_features)
        for parameter in (*hidden.parameters(), *last.parameters()):
            parameter.data = torch.where(parameter >= 0, 1.0, -1.0)
        # Two classes tie everywhere, one falls, one does not depend on its accumulator.
        last.weight.data[5] = last.weight[3]
        classes = self.scores.num_features
        self.scores.weight.data = torch.randn(classes) * torch.linspace(0.3, 2, classes)
        self.scores.weight.data[[1, 2]] = torch.tensor([-1.5, 0.0])
        self.scores.bias.data = torch.randn(classes) / 2
        self.scores.running_mean = torch.randn(classes)
        self.scores.running_var = 40 * torch.rand(classes) + 5
        for values in (
            self.scores.weight.data,
            self.scores.bias.data,
            self.scores.running_mean,
            self.scores.running_var,
        ):
            values[5] = values[3]

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sign(x - 0.5)
        x = torch.sign(self.norm(self.hidden(x)))
        scores: Tensor = self.scores(self.last(x.flatten(1)))
        return scores


def _mlp() -> _Binary:
    hidden = nn.Sequential(nn.Flatten(), nn.Linear(63, 31, bias=False))
    return _Binary(hidden, nn.BatchNorm1d(31), nn.Linear(31, 10, bias=False))


def _conv() -> _Binary:
    hidden = nn.Conv2d(3, 5, 3, stride=2, bias=False)
    return _Binary(hidden, nn.BatchNorm2d(5), nn.Linear(5 * 9, 10, bias=False))


def _save(model: _Binary, shape: tuple[int, ...], path: Path, *, k: int | None = None) -> Path:
    graph = Graph(("batch", *shape))
    graph.add("Sub", np.float32(0.5))
    graph.add("Sign")
    if isinstance(model.hidden, nn.Conv2d):
        graph.add("Conv", model.hidden.weight.detach().numpy(), strides=[2, 2])
    else:
        graph.add("Flatten")
        graph.add("MatMul", model.hidden[1].weight.detach().numpy().T)
    _add_norm(graph, model.norm)
    graph.add("Sign")
    graph.add("Flatten")
    graph.add("MatMul", model.last.weight.detach().numpy().T)
    _add_norm(graph, model.scores)
    if k is None:
        return graph.save(path)
    graph.add("TopK", np.array([k], np.int64), axis=-1)
    graph.nodes[-1].output.insert(0, "values")
    return graph.save(path, output_type=TensorProto.INT64)


def _add_norm(graph: Graph, norm: nn.Module) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    values = [norm.get_buffer(n) if "_" in n else norm.get_parameter(n) for n in names]
    graph.add("BatchNormalization", *(v.detach().numpy() for v in values), epsilon=norm.eps)


@pytest.mark.parametrize(
    ("network", "shape"), [(_mlp, (7, 9)), (_conv, (3, 7, 7))], ids=["mlp", "conv"]
)
def test_hardware_finds_pytorchs_class(
    network: type[_Binary], shape: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    model = network().eval()
    path = _save(model, shape, tmp_path / "model.onnx")
    lower(path, LoweringConfig(classify=True), tmp_path / "dataflow")
    dataflow = bnnedge.Dataflow.load(tmp_path / "dataflow")
    assert [type(node).__name__ for node in dataflow.class_nodes] == ["ScoreTable", "ArgMax"]

    x = torch.rand(400, *shape)
    with torch.no_grad():
        logits = model(x)
    assert (logits[:, 3] == logits[:, 5]).all()
    wanted = logits.argmax(dim=1).numpy()
    assert 3 in wanted and len(np.unique(wanted)) > 4
    hardware = dataflow.results_of(dataflow.encode(x.numpy()))[:, 0]
    assert np.array_equal(hardware, wanted)
    assert (dataflow.accumulators(x.numpy()).argmax(axis=1) != wanted).any()

    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl", target_fps=400_000, clock_mhz=100)
    result = bnnedge.simulate(tmp_path / "rtl", inputs=x.numpy(), stalls=0.3)
    assert (result.images, result.elements) == (400, 1)
    assert result.interval_cycles == result.predicted_interval_cycles


@pytest.mark.parametrize("k", [2, 5])
def test_hardware_finds_pytorchs_best_classes(k: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = _mlp().eval()
    path = _save(model, (7, 9), tmp_path / "model.onnx", k=k)
    lower(path, LoweringConfig(), tmp_path / "dataflow")
    dataflow = bnnedge.Dataflow.load(tmp_path / "dataflow")
    assert [type(node).__name__ for node in dataflow.class_nodes] == ["ScoreTable", "ArgMax"]

    x = torch.rand(400, 7, 9)
    with torch.no_grad():
        logits = model(x)
    wanted = torch.sort(-logits, dim=1, stable=True).indices[:, :k].numpy()
    assert ((wanted[:, :-1] == 3) & (wanted[:, 1:] == 5)).any()  # the two that tie
    assert np.array_equal(dataflow.run(x.numpy()), wanted)
    assert np.array_equal(dataflow.classify(x.numpy()), wanted[:, 0])

    bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl", target_fps=400_000, clock_mhz=100)
    result = bnnedge.simulate(tmp_path / "rtl", inputs=x.numpy(), stalls=0.3)
    assert (result.images, result.elements) == (400, k)
    assert result.interval_cycles == result.predicted_interval_cycles
