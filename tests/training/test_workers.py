"""Several processes train the same network as one, up to the order of float32 sums."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bnnedge.models.checkpoint import load_checkpoint

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
