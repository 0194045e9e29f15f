"""Ternary weights: which ones, their gradient, what they learn, and their export."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops import (
    AffineBatchNorm,
    BinarizeConfig,
    BinaryConv2d,
    BinaryLinear,
    Sign,
    WeightLevels,
    WeightScale,
)
from bnnedge.ops.surrogates import TernarySign
from tests.ops.exporting import export_and_run, settle_norms
from tests.ops.test_lut_layer import signs

TERNARY = BinarizeConfig(levels=WeightLevels.TERNARY)


def linear(inputs: int, outputs: int, seed: int = 0) -> BinaryLinear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BinaryLinear(inputs, outputs, binarize=TERNARY)


def test_weights_are_the_nearest_of_three() -> None:
    weight = torch.tensor([-3.0, -0.51, -0.5, -0.2, -0.0, 0.0, 0.5, 0.50001, 0.9, 7.0])
    made = TernarySign.apply(weight)  # type: ignore[no-untyped-call]
    assert made.tolist() == [-1, -1, 0, 0, 0, 0, 0, 1, 1, 1]


def test_the_gradient_passes_straight_through() -> None:
    model, grad = linear(6, 5).train(), torch.randn(9, 5)
    x = signs(9, 6).requires_grad_()
    model(x).backward(grad)
    assert x.grad is not None and model.weight.grad is not None
    torch.testing.assert_close(x.grad, grad @ model.bipolar_weight())
    torch.testing.assert_close(model.weight.grad, grad.t() @ x.detach())


def test_evaluation_and_training_give_the_same_integers() -> None:
    model, x = linear(40, 9), signs(8, 40)
    before = copy.deepcopy(model.state_dict())
    out = model.eval()(x)
    assert torch.equal(out, model.train()(x)) and torch.equal(out, out.round())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert set(model.bipolar_weight().unique().tolist()) == {-1.0, 0.0, 1.0}


def test_training_learns_what_does_not_count() -> None:
    """The sign of three of thirty inputs, of one layer alone: the others' weights are 0."""
    torch.manual_seed(0)
    model, x = linear(30, 1, seed=3), signs(400, 30, seed=1)
    wanted = x[:, 2] - x[:, 11] + x[:, 23]
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        loss = functional.mse_loss(model.train()(x)[:, 0], wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    kept = torch.zeros(30)
    kept[[2, 11, 23]] = torch.tensor([1.0, -1.0, 1.0])
    assert torch.equal(model.bipolar_weight()[0], kept)


def test_they_export_as_quantisers_to_2_bits() -> None:
    cases: dict[str, tuple[torch.nn.Module, Tensor]] = {}
    module = torch.nn.Sequential(linear(11, 7), AffineBatchNorm(7), Sign())
    settle_norms(module, 6)
    cases["linear"] = module, signs(40, 11)
    conv = torch.nn.Sequential(
        BinaryConv2d(3, 4, 3, padding=1, binarize=TERNARY), AffineBatchNorm(4), Sign()
    )
    settle_norms(conv, 14)
    cases["conv"] = conv, signs(12, 75).reshape(12, 3, 5, 5)
    run = export_and_run(cases)
    run.assert_equal()
    weights = [node for node in run.graph.graph.node if node.op_type == "Quant"]
    assert len(weights) == 2
    for node in weights:
        kinds = {a.name: a.i for a in node.attribute if a.name in ("signed", "narrow")}
        assert kinds == {"signed": 1, "narrow": 1}


@pytest.mark.parametrize("scale", [WeightScale.OFF, WeightScale.TENSOR, WeightScale.BIREAL])
def test_a_scale_of_their_own_is_refused(scale: WeightScale) -> None:
    with pytest.raises(ConfigError, match='ternary weights want weight_scale "sign", got'):
        BinarizeConfig(levels=WeightLevels.TERNARY, weight_scale=scale)
