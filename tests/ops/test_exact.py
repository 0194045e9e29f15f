"""Roots and means that no processor rounds another way."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bnnedge.ops.binop import BinOp
from bnnedge.ops.config import BinarizeConfig, WeightScale
from bnnedge.ops.exact import mean_of_rows, square_root
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm
from tests.floats import any_floats


def _worse_root(x: Tensor) -> Tensor:
    """A root as some processors have it: off by an ulp in one of six values, float64's too."""
    root = np.sqrt(x.numpy())
    off = np.arange(root.size).reshape(root.shape) % 6 == 1
    return torch.from_numpy(np.where(off, np.nextafter(root, np.inf, dtype=root.dtype), root))


def test_roots_are_correctly_rounded_even_where_torch_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.abs(any_floats(np.random.default_rng(1), 100_000))
    x = x[~np.isnan(x)]
    middle = (np.arange(1 << 24, (1 << 24) + 4000, dtype=np.float64) + 0.5) ** 2
    x = np.concatenate([x, middle.astype(np.float32)])  # whose roots are nearly half-way
    wanted = np.sqrt(x)
    assert np.array_equal(square_root(torch.from_numpy(x)).numpy(), wanted)
    monkeypatch.setattr(torch, "sqrt", _worse_root)
    assert not np.array_equal(torch.sqrt(torch.from_numpy(x)).numpy(), wanted)
    assert np.array_equal(square_root(torch.from_numpy(x)).numpy(), wanted)


def test_normalisation_does_not_depend_on_the_processors_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(1)
    norm = AffineBatchNorm(200).eval()
    for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
        assert tensor is not None
        tensor.normal_(0, 8)
    assert norm.running_var is not None
    norm.running_var.uniform_(0, 60)
    with torch.no_grad():
        x = torch.arange(-63.0, 64.0, 2.0)[:, None].expand(-1, 200)
        wanted = norm(x)
        monkeypatch.setattr(torch, "sqrt", _worse_root)
        assert torch.equal(norm(x), wanted)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 577])
def test_means_are_close_to_the_true_ones_and_do_not_depend_on_the_rows_around(count: int) -> None:
    x = torch.randn(5, count, generator=torch.Generator().manual_seed(2))
    means = mean_of_rows(x)
    x.requires_grad_()
    mean_of_rows(x)[2].backward()
    assert x.grad is not None
    assert torch.equal(x.grad[2], torch.full((count,), 1 / count)) and x.grad[3].eq(0).all()
    for row, mean in zip(x, means, strict=True):
        true = sum(map(Fraction, row.tolist())) / count
        magnitude = sum(abs(Fraction(value)) for value in row.tolist()) / count
        assert abs(Fraction(mean.item()) - true) <= magnitude * Fraction(2) ** -20
        assert mean_of_rows(row[None].contiguous()).equal(mean[None])


def test_evaluation_uses_no_sum_whose_order_is_the_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    binarize = BinarizeConfig(weight_scale=WeightScale.CHANNEL)
    torch.manual_seed(3)
    layer = BinaryLinear(577, 9, binarize=binarize).eval()
    network = nn.Sequential(nn.Conv2d(3, 8, 3))
    operation = BinOp(network, layers=[network[0]])

    def results() -> list[Tensor]:
        scale = layer.weight_scale()
        assert scale is not None
        with operation.evaluation():
            return [scale.detach(), network[0].weight.detach().clone()]

    def refuse(*args: object, **options: object) -> Tensor:
        raise AssertionError("a sum in an order of its own")

    wanted = results()
    for name in ("mean", "sum"):
        monkeypatch.setattr(Tensor, name, refuse)
        monkeypatch.setattr(torch, name, refuse)
    for got, before in zip(results(), wanted, strict=True):
        assert torch.equal(got, before)
