"""Sums in place of averages: exact, with zeros around."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from bnnedge.ops.pools import GlobalSumPool, SumPool1d, SumPool2d


@pytest.mark.parametrize(("size", "kernel", "stride", "padding"), [(8, 2, 2, 0), (7, 3, 2, 1)])
def test_sums_are_exact_integers(size: int, kernel: int, stride: int, padding: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-20000, 20001, (2, 3, size, size))
    out = SumPool2d(kernel, stride, padding)(torch.tensor(x, dtype=torch.float32)).numpy()
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
    assert np.array_equal(out, windows[:, :, ::stride, ::stride].sum((4, 5)))


def test_sums_along_one_axis_are_those_of_images_of_one_row() -> None:
    x = torch.from_numpy(np.random.default_rng(2).integers(-99, 100, (2, 3, 9))).float()
    padded = functional.pad(x, (1, 1))
    assert torch.equal(SumPool1d(3, 2, 1)(x), padded.unfold(2, 3, 2).sum(-1))
    assert torch.equal(GlobalSumPool()(x), x.sum(-1))


def test_gradient_is_that_of_the_average_times_the_window() -> None:
    x = torch.randn(2, 3, 7, 7, dtype=torch.float64, requires_grad=True)
    (ours,) = torch.autograd.grad(SumPool2d(3, 2, 1)(x).pow(2).sum(), x)
    (usual,) = torch.autograd.grad((functional.avg_pool2d(x, 3, 2, 1) * 9).pow(2).sum(), x)
    assert torch.allclose(ours, usual)


def test_global_sum() -> None:
    x = torch.arange(24, dtype=torch.float32).reshape(1, 2, 3, 4)
    assert GlobalSumPool()(x).tolist() == [[66, 210]]
