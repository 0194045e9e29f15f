"""Modules of one's own are exported as they are, stay as they are, and mistakes are one line."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import bnnedge
from bnnedge import verbs
from bnnedge.dataflow import Dataflow
from bnnedge.errors import BnnEdgeError, ConfigError, DataError, ExportError
from bnnedge.exporter import own_module
from bnnedge.exporter.answers import compared
from bnnedge.exporter.onnx_model import module_to_qonnx
from bnnedge.exporter.snapshot import snapshot
from bnnedge.ops.frozen import frozen
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import Affine, AffineBatchNorm
from bnnedge.ops.quantisers import BipolarActivation, BipolarWeight, Sign


def _bits(x: Tensor) -> Tensor:
    return torch.where(x >= 0, 1.0, -1.0)


class PlainTorch(nn.Module):
    """Signs and sums written with torch alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(9, 6))
        self.last = nn.Parameter(torch.randn(3, 9))
        self.norm = nn.BatchNorm1d(9)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.linear(_bits(x), _bits(self.first))
        return nn.functional.linear(_bits(self.norm(x)), _bits(self.last))


def _ops() -> nn.Module:
    return nn.Sequential(
        *(AffineBatchNorm(6), Sign(), BinaryLinear(6, 9)),
        *(AffineBatchNorm(9), Sign(), BinaryLinear(9, 3)),
    )


def _brevitas() -> nn.Module:
    def sign() -> nn.Module:
        return qnn.QuantIdentity(act_quant=BipolarActivation)

    def linear(*size: int) -> nn.Module:
        return qnn.QuantLinear(*size, bias=False, weight_quant=BipolarWeight)

    return nn.Sequential(sign(), linear(6, 9), nn.BatchNorm1d(9), sign(), linear(9, 3))


def _examples(rows: int = 40) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, 6)).astype(np.float32)


def _trained(make: Callable[[], nn.Module]) -> nn.Module:
    """With running statistics that no integer is near to."""
    torch.manual_seed(3)
    module = make()
    for _ in range(5):
        module(torch.randn(50, 6))
    return module


@pytest.mark.parametrize("make", [_ops, _brevitas, PlainTorch])
def test_its_logits_are_those_of_the_dataflow(
    make: Callable[[], nn.Module], tmp_path: Path
) -> None:
    module, x = _trained(make), _examples()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    facts = bnnedge.export(module, x, tmp_path / "export").facts
    assert facts.test_images == len(x) and facts.test_accuracy is None
    assert module.training and len(module._forward_hooks) == 1 and calls
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    lowered = bnnedge.lower(tmp_path / "export", tmp_path / "dataflow").facts
    assert lowered.checks["pytorch"].outputs == facts.numbers_compared
    dataflow = Dataflow.load(tmp_path / "dataflow")
    with torch.no_grad():
        assert np.allclose(dataflow.logits(x), module.eval()(torch.from_numpy(x)), rtol=1e-5)


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    """What torch makes of `_ops`."""
    return module_to_qonnx(frozen(_trained(_ops)), (6,))


@pytest.fixture
def written(graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch does not write the same graph over and over."""
    monkeypatch.setattr(own_module, "module_to_qonnx", lambda *given: copy.deepcopy(graph))


@pytest.mark.usefixtures("written")
def test_the_same_module_is_not_written_again(tmp_path: Path) -> None:
    module, labels = _trained(_ops), np.arange(40) % 3
    first = bnnedge.export(module, _examples(), tmp_path / "e", labels=labels)
    examples = torch.from_numpy(_examples())
    assert first == bnnedge.export(module, examples, tmp_path / "e", labels=labels.tolist())
    assert first.facts.test_accuracy is not None
    again = bnnedge.export(module, _examples()[:30], tmp_path / "e", labels=labels[:30])
    assert again.fingerprint != first.fingerprint


@pytest.mark.usefixtures("written")
def test_examples_are_test_images_with_and_without_a_class(tmp_path: Path) -> None:
    for labels in (None, np.arange(40) % 3):
        bnnedge.export(_trained(_ops), _examples(), tmp_path / "e", labels=labels)
        assert np.array_equal(verbs.test_images(tmp_path / "e"), _examples())


@pytest.mark.usefixtures("written")
def test_lower_takes_a_module(tmp_path: Path) -> None:
    module = _trained(_ops)
    bnnedge.lower(module, tmp_path / "dataflow", example_inputs=_examples(), name="mine")
    assert Dataflow.load(tmp_path / "dataflow").name == "mine"
    bnnedge.lower(module, tmp_path / "unnamed", example_inputs=_examples())
    assert Dataflow.load(tmp_path / "unnamed").name == type(module).__name__
    with pytest.raises(ConfigError, match="lower: a module wants example_inputs"):
        bnnedge.lower(module, tmp_path / "none")
    with pytest.raises(ConfigError, match="example_inputs go with a module, got a file"):
        bnnedge.lower(tmp_path / "a.onnx", tmp_path / "none", example_inputs=_examples())


def _with_nan() -> nn.Module:
    module = _trained(_ops)
    with torch.no_grad():
        module[2].weight[1, 2] = torch.nan
    return module


class _Returns(nn.Module):
    def __init__(self, made: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.made = made

    def forward(self, x: Tensor) -> Any:
        return self.made(x)


_CLASSES = (
    r"_Returns returns classes \(.*\), as of an argmax, wanted float32 logits \(N, K\) — return"
)


class _Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = {"first": nn.Linear(6, 6), "norm": nn.Sequential(nn.BatchNorm1d(6))}
        self.known, self.none = nn.BatchNorm1d(6), [nn.ReLU(), None]
        self.both = [self.known]

    def forward(self, x: Tensor) -> Any:
        return self.known(self.parts["norm"](x))


def _by_name() -> nn.Module:
    module = nn.Sequential(nn.BatchNorm1d(6))
    module.forward = lambda x: module[0](x)  # type: ignore[method-assign]
    return module


def _batch_statistics() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(6, track_running_stats=False))


def _lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(3))


def _overflowing() -> nn.Module:
    norm = nn.BatchNorm1d(6, affine=False)
    assert norm.running_mean is not None
    norm.running_mean[2] = 3e38
    norm.running_var = torch.full((6,), 1e-9)
    return nn.Sequential(norm)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_last_function_that_rounds_is_named(last: nn.Module, tmp_path: Path) -> None:
    name = type(last).__name__
    told = f"ends in a {name}, .*wanted logits — return what goes into the last {name}: the classes"
    with pytest.raises(ExportError, match=told):
        bnnedge.export(nn.Sequential(nn.Linear(6, 3), last), _examples(), tmp_path / "x")


def _stateful() -> nn.Module:
    module = _trained(_ops)
    module.kept = torch.ones(1, requires_grad=True) * 2
    return module


@pytest.mark.parametrize(
    ("make", "x", "error", "message"),
    [
        (_ops, _examples()[0], DataError, r"wanted \(N, \*input shape\), got \(6,\)"),
        (_ops, _examples(0), DataError, r"wanted \(N, \*input shape\), got \(0, 6\)"),
        (_ops, [["a"]], DataError, "example_inputs: wanted numbers, got <U1"),
        (_ops, [[1.0], [1.0, 2.0]], DataError, "example_inputs: wanted an array, got list"),
        (_ops, np.full((2, 6), np.nan), DataError, "wanted finite numbers, got NaN"),
        (_ops, np.full((2, 6), 1e300), DataError, "wanted finite numbers, got NaN or infinity"),
        (lambda: torch.jit.script(nn.Linear(6, 3)), _examples(), ExportError, "a TorchScript"),
        (_ops, np.ones((2, 7)), ExportError, r"does not take example_inputs of \(7,\) each"),
        (_with_nan, _examples(), ExportError, "2.weight .* holds NaN or infinity: 1 of 54"),
        (_stateful, _examples(), ExportError, "Sequential cannot be copied: Only Tensors"),
        (_lazy, _examples(), ExportError, "0.weight has no shape yet"),
        (_overflowing, _examples(), ExportError, "BatchNorm 0, channel 2: .*wanted finite"),
        (lambda: _Returns(lambda x: (x, x)), _examples(), ExportError, "returns a tuple, wanted"),
        (lambda: _Returns(lambda x: x.argmax(1)), _examples(), ExportError, _CLASSES),
        (lambda: _Returns(lambda x: x.argmax(1, True).float()), _examples(), ExportError, _CLASSES),
        (
            _Hidden,
            _examples(),
            ExportError,
            "Hidden.parts: a dict of modules, .* BatchNorm1d — ",
        ),
        (_batch_statistics, _examples(), ExportError, "BatchNorm1d 0: normalises by the stat"),
        (lambda: _Returns(lambda x: x[..., None]), _examples(), ExportError, r"\(1, 6, 1\) for 1"),
        (
            lambda: _Returns(lambda x: x if x.sum() > 0 else -x),
            *(_examples(), ExportError, "torch cannot export _Returns"),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_mistakes_are_one_line(
    make: Callable[[], nn.Module],
    x: Any,
    error: type[BnnEdgeError],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message) as caught:
        bnnedge.export(make(), x, tmp_path / "export")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("labels", [[0, 1], [0.5] * 40, [-1] * 40, [3] * 40, [2**63] * 40])
def test_labels_are_classes(labels: list[Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels: wanted"):
        bnnedge.export(_trained(_ops), _examples(), tmp_path / "export", labels=labels)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: torch.compile(m, backend="eager")])
def test_what_is_wrapped_is_exported_without_its_wrapping(wrap: Callable[[nn.Module], Any]) -> None:
    module, x = _trained(_ops), _examples()
    assert type(snapshot(wrap(module))) is nn.Sequential
    with torch.no_grad():
        wanted = module.eval()(torch.from_numpy(x)).numpy()
    assert np.array_equal(own_module.answers_of(wrap(module))(x), wanted)


def test_examples_of_kinds_that_numpy_lacks_are_taken() -> None:
    x = torch.from_numpy(_examples()).bfloat16()
    answers = own_module.answers_of(_trained(_ops))
    assert np.array_equal(answers(x), answers(x.float()))
    assert np.array_equal(answers(x.float().to_sparse()), answers(x.float()))


class _Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.calls


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    "made", [_Counts, lambda: _Returns(lambda x: nn.functional.dropout(x, 0.5))]
)
def test_a_module_that_answers_otherwise_each_time_is_told(
    made: Callable[[], nn.Module], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="gives other logits when it is asked again"):
        bnnedge.export(made(), _examples(), tmp_path / "export")


@pytest.mark.usefixtures("written")
def test_a_hook_that_changes_the_answer_is_found(tmp_path: Path) -> None:
    module = _trained(_ops)
    module.register_forward_hook(lambda own, given, out: -out)
    with pytest.raises(ExportError, match="logits, channel 0, .*hooks are not exported"):
        bnnedge.export(module, _examples(), tmp_path / "export")


@pytest.mark.usefixtures("written")
def test_another_graph_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed = own_module.executed
    monkeypatch.setattr(own_module, "executed", lambda *given: executed(*given) + 1)
    with pytest.raises(ExportError, match="logits, channel 0, input 0: PyTorch gives"):
        bnnedge.export(_trained(_ops), _examples(), tmp_path / "export")


def _nudged(module: nn.Module, name: str) -> nn.Module:
    """Constants, of which one is smaller by as little as rounding may make it."""
    constant = frozen(module)
    affine = constant.get_submodule(name)
    assert isinstance(affine, Affine)
    affine.shift.copy_(affine.shift - affine.shift.abs().max() * 1e-6)
    return constant


def test_roundings_of_the_last_norm_are_told_and_of_others_refused() -> None:
    module = _trained(lambda: nn.Sequential(_brevitas(), nn.BatchNorm1d(3))).eval()
    x = _examples()
    own = compared(module, frozen(module), x, module)[0]
    logits, rounded = compared(module, _nudged(module, "1"), x, module)
    assert rounded == len(x) and np.allclose(own, logits, atol=1e-4)
    norm = module[0][2]
    norm.running_mean[4] = 2.0  # a sum that comes, right at the threshold
    with pytest.raises(ExportError, match="what goes into 1, channel .*AffineBatchNorm rounds"):
        compared(module, _nudged(module, "0.2"), x, module)


def test_a_module_in_two_places_is_one(tmp_path: Path) -> None:
    norm = nn.BatchNorm1d(6).eval()
    constant = frozen(nn.Sequential(norm, nn.Sequential(norm)))
    assert constant[0] is constant[1][0] and isinstance(constant[0], Affine)


@pytest.mark.parametrize(("kernel", "padding", "size", "left"), [(2, 1, 5, 0), (3, 0, 6, 1)])
def test_ceil_mode_is_left_out_where_it_adds_no_window(
    kernel: int, padding: int, size: int, left: int
) -> None:
    pool = nn.MaxPool2d(kernel, 2, padding, ceil_mode=True)
    network = nn.Sequential(pool, nn.Flatten(), nn.Linear(9, 2)).eval()
    graph = module_to_qonnx(network, (1, size, size)).graph
    (node,) = (node for node in graph.node if node.op_type == "MaxPool")
    assert [a.i for a in node.attribute if a.name == "ceil_mode"] == [left]
