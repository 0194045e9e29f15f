"""Data-parallel training: processes started by torchrun share every batch.

Each process holds the whole data set and the whole network. All draw the same random numbers, so
they agree on every batch without a word; each computes its share of it, and gradients are
averaged. BatchNorm takes its statistics over the whole batch, so any number of processes trains
the same network, up to the order of float32 sums. Dropout is the exception: every process draws
the same masks, each for its own share.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnnedge.errors import ConfigError
from bnnedge.training.config import Device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_BACKENDS = {"cpu": "cpu:gloo", "cuda": "cuda:nccl"}


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The processes of a training, seen from one of them; most trainings have just one.

    Attributes:
        rank: which one this is; 0 is the one that writes.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_leader(self) -> bool:
        """Whether this process writes files and reports progress."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of a batch of `count`, a multiple of `size`."""
        part = count // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def sum(self, value: "Tensor") -> "Tensor":
        """Sum of every process's `value`."""
        if self.size > 1:
            from torch import distributed as dist

            value = value.clone()
            dist.all_reduce(value)
        return value

    def average_gradients_(self, parameters: "Sequence[Tensor]") -> None:
        """Replace every gradient by its mean over the processes."""
        if self.size == 1:
            return
        import torch
        from torch import distributed as dist

        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def tell(self, value: Any) -> Any:
        """The leader's `value`, in every process."""
        if self.size == 1:
            return value
        from torch import distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def norms(self) -> contextlib.AbstractContextManager[object]:
        """Inside this block BatchNorms in training take their statistics over all processes."""
        if self.size == 1:
            return contextlib.nullcontext()
        from bnnedge.training.global_norm import GlobalBatchNorm

        return GlobalBatchNorm(self.size)


@contextlib.contextmanager
def workers(*devices: Device) -> Iterator[Workers]:
    """The processes that torchrun started, or this one alone; they meet at the beginning.

    They meet once: torchrun's store keeps the addresses of the first meeting, and a second one
    would go by those.

    Args:
        devices: of everything that is trained inside.

    Raises:
        ConfigError: a GPU is wanted and there is none, or one for only some of the processes.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # what torchrun sets
        yield Workers()
        return
    import torch
    from torch import distributed as dist

    chosen = {torch_device(device) for device in devices}
    for device in chosen:
        if device.type == "cuda":
            torch.cuda.set_device(device)
    dist.init_process_group(",".join(sorted(_BACKENDS[device.type] for device in chosen)))
    try:
        yield Workers(rank=dist.get_rank(), size=dist.get_world_size())
    finally:
        dist.destroy_process_group()


def torch_device(device: Device) -> "torch.device":
    """The device that a recipe means: of several processes on one host each has its own GPU.

    Raises:
        ConfigError: a GPU is wanted and there is none, or one for only some of the processes.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is Device.CPU or (device is Device.AUTO and not gpus):
        return torch.device("cpu")
    index = int(os.environ.get("LOCAL_RANK", 0))  # torchrun's
    if index >= gpus:
        raise ConfigError(
            f"device cuda wants a GPU for every process, got {gpus} GPUs for process {index + 1}",
            remedy='set [training.compute] device = "cpu", or start fewer processes',
        )
    return torch.device("cuda", index)
