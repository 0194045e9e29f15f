"""A module as it is now: a copy in evaluation mode, and one of constant numbers."""

import copy
import inspect
import itertools

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from bnnedge.errors import ExportError
from bnnedge.models.numbers import REMEDY, wrong_number, wrong_scale
from bnnedge.ops.frozen import frozen


def snapshot(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode on the CPU, whose numbers are finite.

    Of what `torch.compile` or `DataParallel` wraps, it is the module inside.

    Raises:
        ExportError: it is no Python module, cannot be copied, was never run, or holds NaN or
            infinity.
    """
    if isinstance(module, nn.DataParallel):
        return snapshot(module.module)
    if type(module).__name__ == "OptimizedModule":  # importing it takes a second
        return snapshot(module.get_submodule("_orig_mod"))
    if isinstance(module, torch.jit.ScriptModule):
        raise ExportError(
            "a TorchScript module cannot be exported",
            remedy="give the module that torch.jit.script or torch.jit.trace was given",
        )
    try:
        copied = copy.deepcopy(module)
    except Exception as error:
        raise ExportError(
            f"{type(module).__name__} cannot be copied: {first_line(error)}",
            remedy="keep tensors as parameters or buffers, and nothing else that torch computed",
        ) from error
    copied = copied.cpu().eval()
    numbers = dict([*copied.named_parameters(), *copied.named_buffers()])
    lazy = next((name for name, tensor in numbers.items() if is_lazy(tensor)), None)
    if lazy is not None:
        raise ExportError(
            f"{type(module).__name__}: {lazy} has no shape yet", remedy="train the module first"
        )
    _require_constant(copied)
    wrong = wrong_number(copied, numbers) or wrong_scale(copied)
    if wrong is not None:
        raise ExportError(wrong, remedy=REMEDY)
    return copied


def _require_constant(copied: nn.Module) -> None:
    """Raise ExportError if a layer depends on the batch or on chance, in evaluation mode, too."""
    registered = set(copied.modules())
    for name, part in copied.named_modules():
        kind = type(part).__name__
        if isinstance(part, _NormBase) and part.running_mean is None:
            raise ExportError(
                f"{kind} {name or 'itself'}: normalises by the statistics of what it is given,"
                " wanted constant ones",
                remedy="train a BatchNorm with track_running_stats=True",
            )
        if _calls_others(vars(part).get("forward")):
            raise ExportError(
                f"{kind} {name or 'itself'}: its forward is a function that uses a module by name,"
                " which is not the copy's",
                remedy="write a class with a method forward, which uses self",
            )
        for attribute, held in vars(part).items():
            hidden = [each for each in _held(held) if each not in registered]
            inner = filter(_is_training, itertools.chain(*(each.modules() for each in hidden)))
            for found in inner:
                raise ExportError(
                    f"{kind}.{attribute}: a {type(held).__name__} of modules, in which eval() and"
                    f" optimisers do not find a {type(found).__name__}",
                    remedy="keep them in an nn.ModuleList or nn.ModuleDict, and train again",
                )


def _calls_others(forward: object) -> bool:
    """Whether a function that takes the place of a method sees modules."""
    if not inspect.isfunction(forward):
        return False
    seen = inspect.getclosurevars(forward)
    return any(
        isinstance(each, nn.Module) for each in [*seen.nonlocals.values(), *seen.globals.values()]
    )


def _held(value: object) -> list[nn.Module]:
    """The modules in a plain container."""
    if isinstance(value, dict):
        value = tuple(value.values())
    each = value if isinstance(value, list | tuple) else ()
    return [module for module in each if isinstance(module, nn.Module)]


def _is_training(module: nn.Module) -> bool:
    return module.training and isinstance(module, _BatchNorm | _DropoutNd)


def constant_of(copied: nn.Module) -> nn.Module:
    """The same of constant numbers, without hooks."""
    constant = frozen(copied)
    for part in constant.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return constant


def first_line(error: Exception) -> str:
    """What an exception says, without what follows in further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
