"""Sparse sums: which inputs count, their gradients, what they learn, and their export."""

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops import AffineBatchNorm, Sign, SparseLinear
from bnnedge.ops.sparse_linear import LargestSigns
from tests.ops.exporting import export_and_run, settle_norms
from tests.ops.test_lut_layer import signs


def layer(inputs: int, neurons: int, fan_in: int, seed: int = 0) -> SparseLinear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SparseLinear(inputs, neurons, fan_in)


@pytest.mark.parametrize("fan_in", [1, 3, 8])
def test_the_largest_weights_of_a_row_count_as_their_signs(fan_in: int) -> None:
    model, x = layer(9, 7, fan_in).eval(), signs(20, 9)
    out = model(x)
    for neuron in range(7):
        row = model.weight[neuron].detach()
        taken = sorted(range(9), key=lambda i: -abs(row[i].item()))[:fan_in]
        wanted = sum(x[:, i] * (1.0 if row[i] >= 0 else -1.0) for i in taken)
        assert torch.equal(out[:, neuron], torch.as_tensor(wanted))


def test_the_first_of_equal_weights_count_and_no_more() -> None:
    weight = torch.tensor([[0.5, -0.5, 2.0, 0.5, -0.5], [0.0, 0.0, -0.0, 0.0, 0.0]])
    made = LargestSigns.apply(weight, 3)  # type: ignore[no-untyped-call]
    assert made.tolist() == [[1, -1, 1, 0, 0], [1, 1, 1, 0, 0]]


@pytest.mark.parametrize("fan_in", [1, 4])
def test_gradients_are_the_written_formulas(fan_in: int) -> None:
    model = layer(6, 5, fan_in).train()
    x, grad = signs(9, 6).requires_grad_(), torch.randn(9, 5)
    model(x).backward(grad)
    assert x.grad is not None and model.weight.grad is not None
    torch.testing.assert_close(x.grad, grad @ model.bipolar_weight())
    torch.testing.assert_close(model.weight.grad, grad.t() @ x.detach())  # of all, taken or not


def test_evaluation_and_training_are_the_same_and_change_nothing() -> None:
    model = layer(12, 5, 4)
    before = copy.deepcopy(model.state_dict())
    x = signs(8, 12)
    assert torch.equal(model.train()(x), model.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_training_learns_which_inputs_count() -> None:
    """The majority of three of thirty inputs."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(layer(30, 21, 3, seed=3), AffineBatchNorm(21), Sign())
    x = signs(400, 30, seed=1)
    wanted = (x[:, 2] - x[:, 11] + x[:, 23]).sign()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(120):
        loss = functional.softplus(-8 * model.train()(x).mean(1) * wanted).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model.eval()(x).mean(1).sign() == wanted).float().mean() > 0.95


def test_it_exports_as_a_ternary_matrix() -> None:
    cases: dict[str, tuple[torch.nn.Module, Tensor]] = {}
    for fan_in in (1, 6):
        module = torch.nn.Sequential(layer(11, 7, fan_in), AffineBatchNorm(7), Sign())
        settle_norms(module, fan_in)
        cases[f"of {fan_in}"] = module, signs(40, 11)
    run = export_and_run(cases)
    run.assert_equal()
    (first, _) = [node for node in run.graph.graph.node if node.op_type == "Quant"]
    assert {a.name: a.i for a in first.attribute if a.name in ("signed", "narrow")} == {
        "signed": 1,
        "narrow": 1,
    }


def test_what_does_not_fit_is_refused() -> None:
    for sizes in ((0, 1, 1), (9, 0, 1), (9, 1, 0), (9, 1, 10)):
        with pytest.raises(ConfigError, match="SparseLinear: wanted sizes of at least 1, and 1 to"):
            SparseLinear(*sizes)
    with pytest.raises(ConfigError, match="1 to 3 inputs of each neuron, got 3, 5 and 4"):
        SparseLinear(3, 5, 4)
    with pytest.raises(ConfigError, match="1 to 1 inputs of each neuron, got 0, 5 and 1"):
        SparseLinear(0, 5, 1)
    with pytest.raises(ConfigError, match=r"SparseLinear: wanted \(N, 4\), got \(2, 5\)"):
        SparseLinear(4, 3, 2)(torch.ones(2, 5))
