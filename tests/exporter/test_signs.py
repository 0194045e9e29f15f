"""torch's own sign: what an exact 0 becomes is said, and then everything is equal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bnnedge
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.errors import ConfigError, LoweringError, MismatchError
from bnnedge.exporter.facts import EXPORT
from bnnedge.exporter.signs import following

ZEROS = torch.tensor([-2.0, -0.0, 0.0, 3.0])


class Signs(nn.Module):
    """Two layers of ±1 between torch's signs; sums of `width` are 0 where that is even."""

    def __init__(self, width: int) -> None:
        super().__init__()
        torch.manual_seed(width)
        self.first, self.last = (torch.randn(16, width), torch.randn(3, 16))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.sign(x) @ torch.where(self.first >= 0, 1.0, -1.0).T
        return hidden.sign() @ torch.where(self.last >= 0, 1.0, -1.0).T


def _x(width: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(30, width)).astype(np.float32))


@pytest.mark.parametrize("sign", [torch.sign, torch.sgn, Tensor.sign, Tensor.sign_])
def test_a_sign_of_zero_is_what_is_said(sign: Callable[[Tensor], Tensor]) -> None:
    for rule, wanted in ((SignZero.REFUSE, 0), (SignZero.PLUS, 1), (SignZero.MINUS, -1)):
        with following(rule):
            found = sign(ZEROS.clone())
        assert found.tolist() == [-1, wanted, wanted, 1]
    assert sign(ZEROS.clone())[1] == 0


@pytest.mark.parametrize("rule", ["plus", "minus"])
def test_a_module_that_meets_zeros_is_exact_by_either_rule(rule: str, tmp_path: Path) -> None:
    x, value = _x(8), {"plus": 1, "minus": -1}[rule]
    model = bnnedge.convert(Signs(8), x, tmp_path / "m", sign_zero=rule)
    with following(SignZero(rule)):
        wanted = Signs(8)(x).numpy()
    assert np.array_equal(model.dataflow.logits(x.numpy()), wanted)
    assert not np.array_equal(Signs(8)(x).numpy(), wanted)
    assert {check.left for check in model.compare(x)} == {"QONNX", "PyTorch"}
    (remark,) = EXPORT.load(model.folder / "export").facts.remarks
    assert remark.startswith(f"the sign of an exact 0 is {value:+} here and 0 in torch: ")


def test_the_rule_is_one_of_the_lowering(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"export: sign_zero wants one of refuse, plus, minus, got 1"
    ):
        bnnedge.export(Signs(8), _x(8), tmp_path / "e", sign_zero=1)


def test_what_to_write_is_told_where_nothing_is_said(tmp_path: Path) -> None:
    told = r"sign_zero='plus' .* write torch.where\(x >= 0, 1.0, -1.0\) for torch.sign\(x\)"
    with pytest.raises(LoweringError, match=f"sign.*an exact 0 is reachable .* — choose {told}"):
        bnnedge.convert(Signs(8), _x(8), tmp_path / "between")
    x = _x(7)
    assert bnnedge.convert(Signs(7), x, tmp_path / "none").dataflow.name == "Signs"
    x[3, 2] = 0
    with pytest.raises(MismatchError, match=f"where a Sign has an exact 0 — choose {told}"):
        bnnedge.convert(Signs(7), x, tmp_path / "input")
