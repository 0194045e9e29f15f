"""Plain ONNX: Sign, ±1 MatMul or Gemm, and floats between them."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge.dataflow import Dataflow, ScoreTable
from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, SignZero, lower_model, table
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

PLUS = LoweringConfig(sign_zero=SignZero.PLUS)
QUICK = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICK
@given(
    sizes=st.lists(st.integers(1, 23), min_size=2, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    gemm=st.booleans(),
)
def test_any_batchnorm_is_lowered_exactly(
    sizes: list[int], seed: int, gemm: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(seed)
    graph = Graph((1, sizes[0]))
    graph.add("Sub", rng.normal(0, 1, sizes[0]))
    graph.add("Sign")
    for index, (width, height) in enumerate(itertools.pairwise(sizes)):
        weights = bipolar(rng, width, height)
        if gemm:
            graph.add("Gemm", weights.T, rng.integers(-3, 4, height) * np.float32(0.5), transB=1)
        else:
            graph.add("MatMul", weights)
        if index < len(sizes) - 2:
            adversarial_norm(rng, width, height).append(graph)
            graph.add("Sign")
    graph.add("Mul", np.float32(0.37))
    graph.add("Add", rng.standard_normal(sizes[-1]))
    path = graph.save(tmp_path / "plain.onnx")

    lowered = lower_model(path, PLUS)

    x = rng.normal(0, 1, (5, sizes[0])).astype(np.float32)
    zeros = [remark for remark in lowered.facts["remarks"] if "exact" in remark]
    if not zeros[1:]:  # no 0 between layers, so qonnx is an oracle as it is
        assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))
    assert lowered.facts["checks"]["original"]["rounding_images"] == 0


def test_signs_zero_between_layers_is_refused_and_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    graph = Graph((1, 4))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 4, 3))
    graph.add("Sign", name="hidden_sign")
    graph.add("MatMul", bipolar(rng, 3, 2))
    path = graph.save(tmp_path / "zero.onnx")

    with pytest.raises(LoweringError, match=r"hidden_sign.*channel 0 at accumulator 0.*sign_zero"):
        lower_model(path, LoweringConfig())

    plus = lower_model(path, PLUS).dataflow.mvus[0].thresholds
    minus = lower_model(path, LoweringConfig(sign_zero=SignZero.MINUS)).dataflow.mvus[0].thresholds
    assert plus is not None and minus is not None
    assert plus.tolist() == [2, 2, 2]  # popcount 2 of 4 is accumulator 0
    assert minus.tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("zero", "bit"), [(SignZero.REFUSE, 1), (SignZero.PLUS, 1), (SignZero.MINUS, 0)]
)
def test_signs_zero_at_the_input_is_a_remark(tmp_path: Path, zero: SignZero, bit: int) -> None:
    graph = Graph((1, 3))
    graph.add("Sub", np.float32(0.5))
    graph.add("Sign", name="input_sign")
    graph.add("MatMul", np.ones((3, 2), np.float32))
    path = graph.save(tmp_path / "zero.onnx")

    lowered = lower_model(path, LoweringConfig(sign_zero=zero))

    assert "input_sign" in lowered.facts["remarks"][0]
    assert "exactly 0.5" in lowered.facts["remarks"][0]
    assert f"counts as {'+' if bit else '-'}1" in lowered.facts["remarks"][0]
    assert lowered.dataflow.encode(np.full((1, 3), 0.5)).tolist() == [[bit] * 3]
    assert lowered.dataflow.encode(np.full((1, 3), 0.6)).tolist() == [[1] * 3]


def test_no_zero_no_remark(tmp_path: Path) -> None:
    graph = Graph((1, 3))
    graph.add("Sub", np.float32(0.5))
    graph.add("Sign")
    graph.add("MatMul", bipolar(np.random.default_rng(0), 3, 2))
    graph.add("Sign")  # 3 synapses: no accumulator is 0
    graph.add("MatMul", np.ones((2, 2), np.float32))
    lowered = lower_model(graph.save(tmp_path / "odd.onnx"), LoweringConfig())
    assert len(lowered.facts["remarks"]) == 1


@pytest.mark.parametrize("scale", ["tensor", "channel"])
def test_weight_scales_are_lifted_and_said_so(tmp_path: Path, scale: str) -> None:
    rng = np.random.default_rng(1)
    factors = np.float32(0.3) if scale == "tensor" else rng.uniform(0.1, 2, 6).astype(np.float32)
    graph = Graph((1, 15))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 15, 6) * factors, name="fc1")
    adversarial_norm(rng, 15, 6).append(graph)
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 6, 4) * np.float32(0.5), name="fc2")
    lowered = lower_model(graph.save(tmp_path / "scaled.onnx"), PLUS)
    assert lowered.facts["lifted"] == [{"layer": "fc1", "what": "weight scale"}]


def test_float_biases_inside_a_gemm_are_named_inexact(tmp_path: Path) -> None:
    """Beyond 256 synapses onnxruntime adds the bias to a part of the sum, which rounds."""
    rng = np.random.default_rng(7)
    graph = Graph((1, 600))
    graph.add("Sign")
    graph.add("Gemm", bipolar(rng, 20, 600), rng.standard_normal(20), transB=1, name="fc1")
    graph.add("Sign")
    graph.add("Gemm", bipolar(rng, 4, 20), rng.standard_normal(4), transB=1, name="fc2")
    lowered = lower_model(graph.save(tmp_path / "bias.onnx"), LoweringConfig(check_images=1500))
    assert lowered.facts["lifted"] == [
        {"layer": "fc1", "what": "bias"},
        {"layer": "fc2", "what": "bias"},
    ]
    assert lowered.facts["checks"]["original"]["images"] > 1500


def test_rounding_inside_the_originals_sums_is_counted(tmp_path: Path) -> None:
    """0.1·W sums to 0.1·k or a float beside it, by the order of summation, at the threshold."""
    rng = np.random.default_rng(9)
    graph = Graph((1, 601))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 601, 30) * np.float32(0.1))
    graph.add("Sub", np.float32(0.1) * rng.choice(np.float32([-3, -1, 1, 3]), 30))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 30, 4))
    lowered = lower_model(graph.save(tmp_path / "ties.onnx"), PLUS)
    counts = lowered.facts["checks"]["original"]
    assert 0 < counts["rounding_images"] < counts["images"] / 2
    assert (
        f"{counts['rounding_images']} of {counts['images']} images" in lowered.facts["remarks"][-1]
    )
    assert lowered.facts["lifted"] == [{"layer": "matmul_1", "what": "weight scale"}]


@pytest.mark.parametrize("activation", ["Relu", "HardSigmoid", "Tanh", "LeakyRelu"])
def test_monotone_activations_before_a_binariser_are_free(tmp_path: Path, activation: str) -> None:
    rng = np.random.default_rng(2)
    graph = Graph((1, 9))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 9, 5))
    graph.add(activation)
    graph.add("Sub", np.float32(0.4))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 5, 3))
    path = graph.save(tmp_path / "activation.onnx")
    x = rng.normal(0, 1, (9, 9)).astype(np.float32)
    assert np.array_equal(lower_model(path, PLUS).dataflow.logits(x), execute(path, x))


def test_thresholds_reproduce_float32_rounding(tmp_path: Path) -> None:
    """(a − 0.1·3) · … is 0 or not by rounding alone; the enumeration sees what the float sees."""
    rng = np.random.default_rng(3)
    tiny = np.float32(1) / 3
    graph = Graph((1, 31))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 31, 4))
    graph.add("Mul", tiny)
    graph.add("Sub", np.float32([7, -3, 11, 1]) * tiny)
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 4, 2))
    path = graph.save(tmp_path / "ties.onnx")
    thresholds = lower_model(path, PLUS).dataflow.mvus[0].thresholds
    assert thresholds is not None
    assert (2 * thresholds - 31).tolist() == [7, -3, 11, 1]


def test_tied_logits_go_to_the_lowest_class(tmp_path: Path) -> None:
    graph = Graph((1, 4))
    graph.add("Sign")
    weights = np.float32([[1, 1, -1], [1, 1, -1], [-1, -1, 1], [1, 1, 1]])
    graph.add("MatMul", weights)
    graph.add("ArgMax", axis=1, keepdims=0)
    path = graph.save(tmp_path / "ties.onnx", output_type=7)
    lowered = lower_model(path, LoweringConfig())
    x = np.float32([[1, 1, -1, 1], [-1, -1, 1, 1], [1, -1, -1, -1]])
    assert lowered.dataflow.run(x).tolist() == execute(path, x).tolist() == [0, 2, 0]
    assert [type(node).__name__ for node in lowered.dataflow.nodes] == ["XnorMvu", "ArgMax"]


@pytest.mark.parametrize("batch", ["batch", 1, 7])
def test_any_exported_batch_size(tmp_path: Path, batch: int | str) -> None:
    rng = np.random.default_rng(4)
    graph = Graph((batch, 2, 3))
    rows = -1 if batch == "batch" else batch
    graph.add("Reshape", np.array([rows, 6], np.int64))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 6, 3))
    lowered = lower_model(graph.save(tmp_path / "batch.onnx"), LoweringConfig())
    assert lowered.dataflow.input.input_shape == (2, 3)
    assert lowered.dataflow.logits(np.ones((11, 2, 3))).shape == (11, 3)


def _kinds(dataflow: Dataflow) -> list[str]:
    return [type(node).__name__ for node in dataflow.nodes]


def test_classify_puts_a_score_table_where_accumulators_are_not_in_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    graph = Graph((1, 8))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 8, 3), name="fc")
    graph.add("Mul", np.float32(0.25))
    config = LoweringConfig(classify=True)
    dataflow = lower_model(graph.save(tmp_path / "a.onnx"), config).dataflow
    assert dataflow.output.classes
    assert _kinds(dataflow) == ["XnorMvu", "ArgMax"]

    graph.add("Add", np.float32([0, 0, 3]))
    graph.add("Mul", np.float32([1, -1, 0.5]))
    path = graph.save(tmp_path / "b.onnx")
    dataflow = lower_model(path, config).dataflow
    assert _kinds(dataflow) == ["XnorMvu", "ScoreTable", "ArgMax"]
    x = np.float32(list(itertools.product([-1, 1], repeat=8)))
    wanted = execute(path, x).argmax(axis=1)
    assert np.array_equal(dataflow.results_of(dataflow.encode(x))[:, 0], wanted)
    assert _kinds(lower_model(path, LoweringConfig()).dataflow) == ["XnorMvu"]


def test_a_score_table_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    graph = Graph((1, 8))
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 8, 3), name="fc")
    graph.add("Mul", np.float32([1, -1, 0.3]))
    path = graph.save(tmp_path / "logits.onnx")
    graph.add("ArgMax", axis=1)
    classes = graph.save(tmp_path / "classes.onnx", output_type=7)
    config = LoweringConfig(classify=True)
    scores = lower_model(path, config).dataflow.nodes[-2]
    assert isinstance(scores, ScoreTable)
    # −8, −6 ... 8 times ±1, and 0.3 of these but for 0: 9 + 8 floats.
    assert scores.table_bits == 3 * 9 * 5
    monkeypatch.setattr(table, "_MOST_SCORE_BITS", scores.table_bits)
    assert _kinds(lower_model(classes, LoweringConfig()).dataflow)[1:] == ["ScoreTable", "ArgMax"]

    monkeypatch.setattr(table, "_MOST_SCORE_BITS", scores.table_bits - 1)
    text = (
        r"fc.*a table of 3 x 9 scores of 5 bits; wanted at most 134 bits"
        r" — lower without classify=True; the host then decides"
    )
    with pytest.raises(LoweringError, match=text):
        lower_model(path, config)
    with pytest.raises(LoweringError, match=text):
        lower_model(classes, config)
    # What nobody asked for is left to the host.
    dataflow = lower_model(classes, LoweringConfig()).dataflow
    assert _kinds(dataflow) == ["XnorMvu"] and dataflow.output.classes
    graph.nodes.pop()
    graph.last = graph.nodes[-1].output[0]
    graph.add("TopK", np.array([2], np.int64), axis=1)
    graph.nodes[-1].output.insert(0, "values")
    best = graph.save(tmp_path / "best.onnx", output_type=7)
    dataflow = lower_model(best, LoweringConfig()).dataflow
    assert _kinds(dataflow) == ["XnorMvu"]
    x = np.float32(list(itertools.product([-1, 1], repeat=8)))
    assert np.array_equal(dataflow.run(x), execute(best, x).reshape(-1, 2))


def test_shape_dependent_reshape_is_folded(tmp_path: Path) -> None:
    """torch writes x.view(x.shape[0], −1) as Shape, Gather, Concat, Reshape."""
    rng = np.random.default_rng(6)
    graph = Graph(("n", 2, 4))
    shape = graph.add("Shape")
    first = graph.add("Gather", np.array([0], np.int64), axis=0)
    target = graph.add("Concat", np.array([-1], np.int64), axis=0)
    assert shape and first
    graph.last = "x"
    graph.add("Reshape", target)
    graph.add("Sign")
    graph.add("MatMul", bipolar(rng, 8, 3))
    dataflow = lower_model(graph.save(tmp_path / "view.onnx"), LoweringConfig()).dataflow
    assert dataflow.input.source.tolist() == list(range(8))


@pytest.mark.parametrize("form", ["where", "cast", "clip", "strict"])
def test_binarisers_written_as_comparisons(tmp_path: Path, form: str) -> None:
    """`torch.where(x >= 0, 1, -1)`, `(x > 0).float() * 2 - 1`, a steep clip."""

    def binarise(graph: Graph) -> None:
        if form == "where":
            graph.add("GreaterOrEqual", np.float32(0))
            graph.add("Where", np.float32(1), np.float32(-1))
        elif form == "clip":
            graph.add("Mul", np.float32(2.0**120))
            graph.add("Add", np.float32(2.0**-20))
            graph.add("Mul", np.float32(2.0**120))
            graph.add("Clip", np.float32(-1), np.float32(1))
        else:
            graph.add("Greater" if form == "strict" else "GreaterOrEqual", np.float32(0))
            graph.add("Cast", to=1)
            if form == "cast":
                graph.add("Mul", np.float32(2))
                graph.add("Sub", np.float32(1))

    rng = np.random.default_rng(8)
    graph = Graph((1, 1, 3, 4))
    graph.add("Sub", rng.uniform(0, 1, (1, 1, 3, 1)))
    graph.add("Div", np.float32(0.31))
    if form == "clip":
        graph.add("Sign")  # a clip of raw floats is not two-valued everywhere
    else:
        binarise(graph)
    graph.add("Flatten")
    graph.add("MatMul", bipolar(rng, 12, 7))
    adversarial_norm(rng, 12, 7).append(graph)
    binarise(graph)
    graph.add("MatMul", bipolar(rng, 7, 3))
    path = graph.save(tmp_path / "compare.onnx")
    x = rng.uniform(0, 1, (9, 1, 3, 4)).astype(np.float32)
    lowered = lower_model(path, LoweringConfig())
    assert np.array_equal(lowered.dataflow.logits(x), execute(path, x))


def test_torchs_own_export(tmp_path: Path) -> None:
    """A network of plain torch ops whose weights are binarised inside the graph."""

    class Binary(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(20, 13)
            self.norm = torch.nn.BatchNorm1d(13)
            self.second = torch.nn.Linear(13, 5, bias=False)
            self.norm.running_mean += torch.randn(13)
            self.norm.weight.data = torch.randn(13)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.sign(x.view(x.shape[0], -1) - 0.5)
            x = torch.nn.functional.linear(x, torch.sign(self.first.weight), self.first.bias)
            x = torch.sign(torch.nn.functional.hardtanh(self.norm(x)))
            return torch.nn.functional.linear(x, torch.sign(self.second.weight)) * 0.1

    torch.manual_seed(0)
    network = Binary().eval()
    path = tmp_path / "torch.onnx"
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        network, (torch.zeros(2, 4, 5),), path, dynamo=True, dynamic_shapes=({0: batch},)
    )
    lowered = lower_model(path, LoweringConfig())
    x = torch.rand(50, 4, 5)
    with torch.no_grad():
        assert np.array_equal(lowered.dataflow.logits(x.numpy()), network(x).numpy())
