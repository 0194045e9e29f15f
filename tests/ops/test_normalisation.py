"""Normalisations: reproducible evaluation, exact ties, positive output scale."""

import numpy as np
import pytest
import torch

from bnnedge.ops.normalisation import Affine, AffineBatchNorm, ScalarNorm


def _norm(mean: list[float], var: list[float], gamma: list[float], beta: list[float]):
    norm = AffineBatchNorm(len(mean)).eval()
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(torch.tensor(mean))
    norm.running_var.copy_(torch.tensor(var))
    norm.weight.data.copy_(torch.tensor(gamma))
    norm.bias.data.copy_(torch.tensor(beta))
    return norm


def test_training_is_the_usual_batch_normalisation() -> None:
    torch.manual_seed(1)
    x = torch.randn(32, 5) * 3 + 1
    ours, usual = AffineBatchNorm(5), torch.nn.BatchNorm1d(5)
    assert torch.equal(ours(x), usual(x))
    assert torch.equal(ours.running_mean, usual.running_mean)
    assert torch.allclose(ours.eval()(x), usual.eval()(x), atol=1e-5)


def test_evaluation_rounds_as_separate_numpy_operations_do() -> None:
    rng = np.random.default_rng(2)
    mean, gamma, beta = (rng.normal(0, 8, 64).astype(np.float32) for _ in range(3))
    var = rng.gamma(2, 30, 64).astype(np.float32)
    norm = _norm(mean.tolist(), var.tolist(), gamma.tolist(), beta.tolist())
    x = np.repeat(np.arange(-63, 64, 2, dtype=np.float32)[:, None], 64, axis=1)
    scale = gamma / np.sqrt(var + np.float32(norm.eps))
    wanted = x * scale + (beta - mean * scale)
    with torch.no_grad():
        assert np.array_equal(norm(torch.from_numpy(x)).numpy(), wanted)


@pytest.mark.parametrize("gamma", [1.7, -1.7, 1e-3])
@pytest.mark.parametrize("var", [0.0, 1e-30, 3.3, 511.7])
def test_a_mean_that_is_an_accumulator_gives_exactly_zero(gamma: float, var: float) -> None:
    means = [float(m) for m in range(-783, 784, 2)]
    count = len(means)
    norm = _norm(means, [var] * count, [gamma] * count, [0.0] * count)
    with torch.no_grad():
        out = norm(torch.tensor([means]))
    assert torch.count_nonzero(out) == 0


def test_zero_gamma_leaves_the_sign_of_beta() -> None:
    norm = _norm([5.0] * 3, [2.0] * 3, [0.0] * 3, [0.25, 0.0, -0.25])
    with torch.no_grad():
        assert norm(torch.full((1, 3), 41.0)).tolist() == [[0.25, 0.0, -0.25]]


def test_affine_equals_the_norm_it_was_made_from() -> None:
    norm = _norm([1.5, -2.0], [3.0, 0.1], [0.7, -2.0], [0.1, 0.2])
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(Affine(*norm.scale_and_shift())(x), norm(x))


def test_scalar_norm_uses_one_scale_for_all_classes_and_keeps_it_positive() -> None:
    norm = ScalarNorm()
    torch.manual_seed(4)
    for _ in range(20):
        norm(torch.randn(50, 10) * 4)
    norm.eval()
    with torch.no_grad():
        out = norm(torch.tensor([[3.0, -1.0, 3.0]]))
        assert out[0, 0] == out[0, 2] > out[0, 1]
        norm.weight.fill_(-2.0)
        norm.constrain_()
        assert norm.weight.item() == 1 / 1024
