"""What a module answers, and whether its copy of constant numbers and its graph answer the same."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnnedge.equality import first_difference
from bnnedge.errors import ExportError
from bnnedge.exporter.check import Floats, execute
from bnnedge.exporter.onnx_model import OUTPUT
from bnnedge.exporter.snapshot import first_line
from bnnedge.ops.normalisation import Affine

_BATCH = 256
_LOGITS = "return what goes into it; classify=True takes the largest logit in hardware"
_PROBABILITIES = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What a module makes of a batch.

    Attributes:
        logits: (N, K).
        into_norms: name and input of every BatchNorm, call by call.
        last: what came out of the last of them.
    """

    logits: Floats
    into_norms: list[tuple[str, Floats]]
    last: Floats | None


def _answer(module: nn.Module, inputs: Floats, named: nn.Module) -> _Answer:
    seen: list[tuple[str, Floats]] = []
    last: list[Floats] = []

    def look(name: str, given: tuple[Tensor, ...], result: Tensor) -> None:
        seen.append((name, given[0].numpy().copy()))
        last[:] = [result.numpy().copy()]

    handles = [
        norm.register_forward_hook(lambda _, given, result, name=name: look(name, given, result))
        for name, norm in module.named_modules()
        if isinstance(norm, Affine | _BatchNorm)
    ]
    try:
        logits = logits_of(module, inputs, named)
    finally:
        for handle in handles:
            handle.remove()
    return _Answer(logits=logits, into_norms=seen, last=last[0] if last else None)


def logits_of(module: nn.Module, inputs: Floats, named: nn.Module) -> Floats:
    """Logits (N, K) of inputs (N, *input shape); errors speak of the module `named`.

    Raises:
        ExportError: it does not take the inputs, or returns something else.
    """
    name = type(named).__name__
    try:
        with torch.no_grad():
            out = module(torch.from_numpy(inputs.copy()))
    except Exception as error:
        raise ExportError(
            f"{name} does not take example_inputs of {inputs.shape[1:]} each, float32:"
            f" {first_line(error)}",
            remedy=_as_float32(module)
            or "give examples as it takes them, (N, *input shape), for any N",
        ) from error
    if not isinstance(out, Tensor):
        raise ExportError(
            f"{name} returns a {type(out).__name__}, wanted a tensor of logits (N, K)",
            remedy="return one plain tensor (in Brevitas: return_quant_tensor=False, or .value)",
        )
    if not out.is_floating_point():
        raise ExportError(_of_classes(named, out.dtype), remedy=_LOGITS)
    if out.dim() != 2 or len(out) != len(inputs) or out.dtype != torch.float32:
        raise ExportError(
            f"{name} returns {str(out.dtype).removeprefix('torch.')} {tuple(out.shape)} for"
            f" {len(inputs)} inputs, wanted float32 logits ({len(inputs)}, K)",
            remedy=_as_float32(module) or "flatten behind the batch, and leave classes to bnnedge",
        )
    return out.numpy()


def require_logits(graph: onnx.ModelProto, named: nn.Module) -> None:
    """Raise ExportError if a graph gives probabilities, or chooses the class itself."""
    last = graph.graph.node[-1].op_type
    if last in _PROBABILITIES:
        raise ExportError(
            f"{type(named).__name__} ends in a {last}, whose last digits are any library's own,"
            " wanted logits",
            remedy=f"return what goes into the last {last}: the classes are the same",
        )
    if any(node.op_type.startswith("Arg") for node in graph.graph.node):
        raise ExportError(_of_classes(named, torch.float32), remedy=_LOGITS)


def _of_classes(named: nn.Module, kind: torch.dtype) -> str:
    name = str(kind).removeprefix("torch.")
    return (
        f"{type(named).__name__} returns classes ({name}), as of an argmax, wanted float32 logits"
        " (N, K)"
    )


def _as_float32(module: nn.Module) -> str | None:
    """What to do about a module of numbers that are no float32; None: they are."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            return f"{name} is {kind}: call .float() on the module, and give it then"
    return None


def all_logits(module: nn.Module, inputs: Floats, named: nn.Module) -> Floats:
    """What `logits_of` says, in batches."""
    return np.concatenate([logits_of(module, batch, named) for batch in _batches(inputs)])


def executed(graph: onnx.ModelProto, inputs: Floats) -> Floats:
    """Logits (N, K) of a graph, in batches."""
    return np.concatenate([execute(graph, batch)[OUTPUT] for batch in _batches(inputs)])


def _batches(inputs: Floats) -> Iterator[Floats]:
    return (inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH))


def compared(
    copied: nn.Module, constant: nn.Module, inputs: Floats, named: nn.Module
) -> tuple[Floats, int]:
    """Logits of the module of constants, and how many rows' last digits are others in the copy.

    Raises:
        ExportError: the copy decides otherwise, or otherwise whenever it is asked.
    """
    logits, rounded = [], 0
    first, again = (logits_of(copied, inputs[:_BATCH], named) for _ in range(2))
    if not np.array_equal(first, again, equal_nan=True):
        raise ExportError(
            f"{type(named).__name__} gives other logits when it is asked again",
            remedy="forward must compute the same from the same input: without random numbers in"
            " evaluation mode (F.dropout wants training=self.training), and without counting",
        )
    for batch in _batches(inputs):
        own, other = (_answer(module, batch, named) for module in (copied, constant))
        for (name, wanted), (_, got) in zip(own.into_norms, other.into_norms, strict=True):
            require_equal(f"what goes into {name}", wanted, got, constant=True)
        is_norm = own.last is not None and np.array_equal(own.last.reshape(-1), own.logits.ravel())
        if not is_norm or (own.logits.argmax(1) != other.logits.argmax(1)).any():
            require_equal("logits", own.logits, other.logits, constant=True)
        rounded += int((own.logits != other.logits).any(1).sum())
        logits.append(other.logits)
    return np.concatenate(logits), rounded


def require_equal(what: str, wanted: Floats, got: Floats, *, constant: bool = False) -> None:
    """Raises ExportError where the graph or the module of constants differs."""
    left, right = "PyTorch", "the exported graph"
    remedy = "let layers add up ±1 (bnnedge.ops), whose sums do not round"
    if constant:
        left, right = "the module", "with constant numbers"
        remedy = "bnnedge.ops.AffineBatchNorm rounds the same everywhere; hooks are not exported"
    if wanted.shape != got.shape:
        raise ExportError(f"{what}: {left} gives {wanted.shape}, {right} {got.shape}")
    found = first_difference(wanted, got, channel_axis=1)
    if found is not None:
        raise ExportError(
            f"{what}, channel {found.channel}, input {found.image}: {left} gives"
            f" {found.wanted:.9g}, {right} {found.got:.9g}",
            remedy=remedy,
        )
