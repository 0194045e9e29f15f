"""BatchNorm over the batches of all processes, on processors as on GPUs.

torch's own SyncBatchNorm needs GPUs, and a class of its own in the network.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from bnnedge.ops.exact import square_root


class _Sum(torch.autograd.Function):
    """All-reduce: the sum over processes, for values and for their gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class GlobalBatchNorm(TorchFunctionMode):
    """`functional.batch_norm` over the batches of all processes; everything else as it is."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm and (kwargs.get("training") or args[5:6] == (True,)):
            return _batch_norm(self._size, *args, **kwargs)
        return func(*args, **kwargs)


def _batch_norm(
    size: int,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    # Statistics, and what is done with them, are float32 under autocast too, as torch's own are.
    kind, x = x.dtype, x.float()
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(x.dim())]
    count = size * x.numel() // x.shape[1]
    mean: Tensor = _Sum.apply(x.sum(axes)) / count  # type: ignore[no-untyped-call]
    centred = x - mean.view(shape)
    variance: Tensor = _Sum.apply(centred.square().sum(axes)) / count  # type: ignore[no-untyped-call]
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / (count - 1)), momentum)
    scale = weight * square_root(variance + eps).reciprocal()
    return (centred * scale.view(shape) + bias.view(shape)).to(kind)
