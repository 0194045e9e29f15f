"""Numbers in a network that no evaluation can be made from, by layer and tensor."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnnedge.ops.normalisation import scale_and_shift

REMEDY = "its training diverged, or its file was edited: train again, perhaps more slowly"


def wrong_number(model: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """What is wrong with the first tensor that holds NaN, infinity or a variance below 0.

    Args:
        model: the network that the tensors belong to.
        state: its tensors by name, as `state_dict` has them.

    Returns:
        One clause: tensor, layer, how many numbers, and the first of them. None if all are fine.
    """
    for name, tensor in state.items():
        owner, _, own = name.rpartition(".")
        module = model.get_submodule(owner)
        kind = "BatchNorm" if isinstance(module, _BatchNorm) else type(module).__name__
        for wrong, what in (
            (~torch.isfinite(tensor), "NaN or infinity"),
            ((tensor < 0) & (own == "running_var"), "a negative variance"),
        ):
            if not wrong.any():
                continue
            place = wrong.nonzero()[0].tolist()
            return (
                f"tensor {name} ({own} of the {kind} {owner}) holds {what}: {int(wrong.sum())} of"
                f" {tensor.numel()} numbers, the first {tensor[tuple(place)].item():g} at {place}"
            )
    return None


def wrong_scale(model: nn.Module) -> str | None:
    """What is wrong with the first BatchNorm whose scale or shift overflows; None if none does."""
    for name, module in model.named_modules():
        if not isinstance(module, _BatchNorm) or module.running_mean is None:
            continue
        scale, shift = scale_and_shift(module)
        for channel in (~(torch.isfinite(scale) & torch.isfinite(shift))).nonzero()[:1, 0].tolist():
            own = (module.weight, module.bias, module.running_mean, module.running_var)
            weight, bias, mean, variance = (
                math.nan if tensor is None else tensor[channel].item() for tensor in own
            )
            return (
                f"BatchNorm {name}, channel {channel}: weight {weight:g}, bias {bias:g},"
                f" running_mean {mean:g} and running_var {variance:g} give scale"
                f" {scale[channel].item():g} and shift {shift[channel].item():g}, wanted finite"
            )
    return None
