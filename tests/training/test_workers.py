"""Several processes train the same network as one, up to the order of float32 sums."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed as dist

from bnnedge.models.checkpoint import load_checkpoint
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.training.global_norm import GlobalBatchNorm

_RECIPE = """
name = "r"
network = { topology = "mlp", hidden = [32] }
data = { dataset = "digits", encoding = "thermometer", levels = 2 }
training = { epochs = 2, batch_size = 64, learning_rate = 0.01 }
hardware = { board = "ulx3s-85f", clock_mhz = 50, target_fps = 100 }
"""


def _torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(_RECIPE)
    for count in (1, 2):
        arguments = ["bnnedge", "train", str(recipe), "-o", str(tmp_path / f"w{count}")]
        done = _torchrun("--nproc-per-node", str(count), "-m", *arguments)
        assert done.returncode == 0, done.stderr
    one, two = (load_checkpoint(tmp_path / f"w{count}") for count in (1, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml", "w1", "w2"]
    losses = [[epoch["loss"] for epoch in c.record["history"]] for c in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for name, tensor in one.model.state_dict().items():
        if tensor.is_floating_point():
            close = torch.isclose(tensor, two.model.state_dict()[name], rtol=1e-2, atol=1e-2)
            assert close.float().mean() > 0.95, name
    # Trained already: nobody waits for anybody.
    done = _torchrun("--nproc-per-node", "2", "-m", *arguments)
    assert done.returncode == 0 and "epoch" not in done.stderr


_TEACHER = """
[teacher]
network = { topology = "mlp", hidden = [48], weights = "float", activations = "float" }
training = { epochs = 2, batch_size = 64, learning_rate = 0.005 }
"""


@pytest.mark.slow
def test_two_processes_train_a_teacher_and_its_student(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(_RECIPE.replace("0.01 }", "0.01, distill = { weight = 0.5 } }") + _TEACHER)
    arguments = ["bnnedge", "train", str(recipe), "-o", str(tmp_path / "t")]
    done = _torchrun("--nproc-per-node", "2", "-m", *arguments)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.toml", "t", "t.teacher"]
    for folder, width in (("t", 32), ("t.teacher", 48)):
        checkpoint = load_checkpoint(tmp_path / folder)
        assert checkpoint.model.config.hidden == (width,)
        assert [epoch["epoch"] for epoch in checkpoint.record["history"]] == [1, 2]


_SHARE = """
import contextlib, torch
from torch import distributed as dist
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.training.config import Device
from bnnedge.training.workers import workers

def case(share, norms):
    torch.manual_seed(0)
    x = torch.randn(8, 3, 2, 2)[share].requires_grad_()
    goal = torch.randn(8, 3, 2, 2)[share]
    layer = AffineBatchNorm(3)
    layer.weight.data = torch.tensor([1.5, -0.5, 0.0])
    with norms:
        loss = (layer(x) * goal).exp().mean()
    loss.backward()
    return layer, x, loss.detach()

with workers(Device.CPU) as group:
    wanted_layer, wanted_x, wanted_loss = case(slice(0, 8), contextlib.nullcontext())
    share = group.share(8)
    layer, x, loss = case(share, group.norms())
    group.average_gradients_(list(layer.parameters()))
    close = torch.testing.assert_close
    close(group.sum(loss) / group.size, wanted_loss)
    close(layer.weight.grad, wanted_layer.weight.grad)
    close(layer.bias.grad, wanted_layer.bias.grad)
    close(x.grad / group.size, wanted_x.grad[share])
    close(layer.running_mean, wanted_layer.running_mean)
    close(layer.running_var, wanted_layer.running_var)
    assert group.tell("a" if group.is_leader else None) == "a"
"""


@pytest.mark.slow
def test_norms_and_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    (tmp_path / "share.py").write_text(_SHARE)
    done = _torchrun("--nproc-per-node", "2", str(tmp_path / "share.py"))
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_norms_over_processes_keep_float32_statistics_of_any_input(
    tmp_path: Path, kind: torch.dtype
) -> None:
    """What `amp` gives a norm is bfloat16; a group of one process gives what torch gives."""
    generator = torch.Generator().manual_seed(0)
    raw = (torch.randn(16, 3, 2, 2, generator=generator) * 9 + 100).to(kind)
    goal = torch.randn(16, 3, 2, 2, generator=generator)

    def case() -> tuple[torch.Tensor, ...]:
        x, layer = raw.clone().requires_grad_(), AffineBatchNorm(3)
        layer.weight.data = torch.tensor([1.5, -0.5, 0.0])
        y = layer(x)
        (y.float() * goal).exp().mean().backward()
        assert x.grad is not None and layer.weight.grad is not None
        assert layer.running_mean is not None and layer.running_var is not None
        return layer.running_mean, layer.running_var, layer.weight.grad, y.detach(), x.grad

    wanted = case()
    dist.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        with GlobalBatchNorm(1):
            got = case()
    finally:
        dist.destroy_process_group()
    for index, (value, same) in enumerate(zip(got, wanted, strict=True)):
        assert value.dtype == same.dtype == (kind if index > 2 else torch.float32)
        exact = index < 2 or kind is torch.float32
        close = {"rtol": 1e-4, "atol": 1e-5} if exact else {"rtol": 0.05, "atol": 0.02}
        torch.testing.assert_close(value, same, **close)
