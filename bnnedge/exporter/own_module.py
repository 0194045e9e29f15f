"""The stage for a module of one's own: an `nn.Module` and inputs in, checked QONNX model out."""

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from bnnedge.artifacts import Artifact
from bnnedge.data.pairs import array_of, examples_of
from bnnedge.dataflow.meaning import Meaning
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.equality import first_difference
from bnnedge.errors import DataError, ExportError
from bnnedge.exporter.check import Floats, execute
from bnnedge.exporter.facts import EXPORT, MADE, REFERENCE_FILE, UNKNOWN, ExportFacts
from bnnedge.exporter.onnx_model import OUTPUT, describe, module_to_qonnx
from bnnedge.exporter.signs import following, write_signs
from bnnedge.exporter.stage import MODEL
from bnnedge.models.numbers import REMEDY, wrong_number, wrong_scale
from bnnedge.ops.frozen import frozen
from bnnedge.ops.normalisation import Affine
from bnnedge.progress import Progress, silent
from bnnedge.tools import python_versions

_BATCH = 256
_MIXED_ROWS = 32
_MOST_CLASSES = 1 << 31
_SEED = 20
_KEEP_ORDER = ("Softmax", "LogSoftmax", "Sigmoid")
_ROUNDED = (
    "{} of {} inputs get other logits in their last digits than in the module: torch's last"
    " BatchNorm rounds as the processor does, and the file as x * scale + shift;"
    " bnnedge.ops.AffineBatchNorm computes just that"
)
_ZEROS = (
    "the sign of an exact 0 is {:+} here and 0 in torch: {} of {} inputs get other logits than in"
    " the module"
)


def export(
    module: nn.Module,
    example_inputs: Any,
    out: Path,
    *,
    labels: ArrayLike | Tensor | None = None,
    classes: Sequence[str] | None = None,
    sign_zero: SignZero = SignZero.REFUSE,
    progress: Progress = silent,
) -> Artifact[ExportFacts]:
    """Export any `nn.Module` as QONNX and compare the file with PyTorch, number for number.

    A copy is exported in evaluation mode on the CPU, its numbers being constants
    (`bnnedge.ops.frozen`): the module keeps its mode, weights, device and hooks. Hooks of the copy
    run while it is compared, and are not exported. The folder is the same as a checkpoint's:
    `model.onnx`, and `reference.npz` with `inputs` (the examples, then mixtures of them), `labels`
    (−1 of mixtures, −2 where none is known) and `logits`.

    torch's own BatchNorm rounds as the processor does, the file as x * scale + shift. With the
    same inputs both must come to the same decisions: what goes into every BatchNorm is equal, and
    so are the logits, unless a BatchNorm gives them. `bnnedge.ops.AffineBatchNorm` is equal
    everywhere.

    Args:
        module: takes (N, *input shape) float32 and returns logits (N, K).
        example_inputs: (N, *input shape), real inputs: the more, the more is compared. A pair of
            them and labels will do, too, or a torch `Dataset`, see `bnnedge.data.pairs`.
        out: folder to publish.
        labels: (N,) classes of the examples; None: as `example_inputs` says, or not known.
        classes: their names, which go with the network; None: they are numbered.
        sign_zero: what torch's sign of an exact 0 becomes; "refuse": it stays 0, which is no bit.
        progress: called at each step.

    Raises:
        DataError: the examples or labels are not numbers, not finite, or of no fitting shape.
        ExportError: the module cannot be copied, run or exported, holds NaN, or the graph and
            PyTorch differ.
    """
    given, known = examples_of(example_inputs, labels)
    numbers = _labels(known, len(inputs := _examples(given)))
    copied = snapshot(module)
    progress("running the module", 0.0)
    meaning = Meaning.named(classes)
    _require_classes(_logits(copied, inputs[:1], module), numbers, meaning)
    progress("writing QONNX", 0.1)
    constant = _constant(copied)
    graph = module_to_qonnx(constant, inputs.shape[1:])
    describe(graph, type(copied).__name__, meaning)
    signs = write_signs(graph, sign_zero)
    every = np.concatenate([inputs, _mixtures(inputs)])
    progress("comparing the logits", 0.4)
    with following(sign_zero):
        logits, rounded = _compared(copied, constant, every, module)
    _require_equal("logits", logits, _executed(graph, every), last=graph.graph.node[-1].op_type)
    remarks = [_ROUNDED.format(rounded, len(every))] if rounded else []
    if signs:
        others = _all_logits(constant, every, module) != logits
        remarks.append(_ZEROS.format(sign_zero.bit, others.any(1).sum(), len(every)))
    progress("saving", 0.95)
    return _published(graph, every, numbers, logits, rounded, tuple(remarks), out)


def _require_classes(logits: Floats, labels: NDArray[np.int64], meaning: Meaning) -> None:
    count = logits.shape[1]
    if labels.max() >= count:
        raise DataError(f"labels: wanted 0 to {count - 1}, got {labels.max()}")
    meaning.verify((), count, raises=DataError)  # without a reading


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
            f"{type(module).__name__} cannot be copied: {_first_line(error)}",
            remedy="keep tensors as parameters or buffers, and nothing else that torch computed",
        ) from error
    copied = copied.cpu().eval()
    numbers = dict([*copied.named_parameters(), *copied.named_buffers()])
    lazy = next((name for name, tensor in numbers.items() if is_lazy(tensor)), None)
    if lazy is not None:
        raise ExportError(
            f"{type(module).__name__}: {lazy} has no shape yet", remedy="train the module first"
        )
    wrong = wrong_number(copied, numbers) or wrong_scale(copied)
    if wrong is not None:
        raise ExportError(wrong, remedy=REMEDY)
    return copied


def answers_of(module: nn.Module, sign_zero: SignZero) -> Callable[[ArrayLike | Tensor], Floats]:
    """What a module, as it is now, answers: inputs (N, *input shape) → logits (N, K), float32.

    They are those of its export, see `export`, which says what is raised.
    """
    constant = _constant(snapshot(module))

    def answers(inputs: ArrayLike | Tensor) -> Floats:
        with following(sign_zero):
            return _all_logits(constant, _examples(inputs), module)

    return answers


def _constant(copied: nn.Module) -> nn.Module:
    """The same of constant numbers, without hooks."""
    constant = frozen(copied)
    for part in constant.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return constant


def _published(
    graph: onnx.ModelProto,
    inputs: Floats,
    known: NDArray[np.int64],
    logits: Floats,
    rounded: int,
    remarks: tuple[str, ...],
    out: Path,
) -> Artifact[ExportFacts]:
    """The folder; the first inputs are the examples, each with its label."""
    made = len(inputs) - len(known)
    labels = np.concatenate([known, np.full(made, MADE, np.int64)])
    serial = graph.SerializeToString(deterministic=True)

    def write(folder: Path) -> ExportFacts:
        (folder / MODEL).write_bytes(serial)
        np.savez_compressed(folder / REFERENCE_FILE, inputs=inputs, labels=labels, logits=logits)
        right = (logits.argmax(1) == labels)[labels >= 0]
        return ExportFacts(
            test_images=len(known),
            adversarial_inputs=made,
            numbers_compared=logits.size,
            channel_accumulator_pairs_compared=0,
            test_accuracy=float(right.sum() / right.size) if right.size else None,
            remarks=remarks,
        )

    parts = (serial, inputs.tobytes(), labels.tobytes(), logits.tobytes())
    return EXPORT.publish(
        out,
        write,
        config={"module": [hashlib.sha256(part).hexdigest() for part in parts], "rounded": rounded},
        tools=lambda: python_versions("torch", "brevitas", "onnx", "onnxruntime", "qonnx"),
    )


def _dense(value: Any) -> Any:
    """Of a tensor, one of a kind that NumPy has, too."""
    if not isinstance(value, Tensor):
        return value
    dense = value.detach().cpu().to_dense()
    return dense.float() if dense.dtype == torch.bfloat16 else dense


def _examples(value: Any) -> Floats:
    array = array_of("example_inputs", _dense(value))
    if array.ndim < 2 or not array.size:
        raise DataError(
            f"example_inputs: wanted (N, *input shape), got {array.shape}",
            remedy="the first dimension counts the examples: x[None] is a batch of one",
        )
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    if not np.isfinite(floats).all():
        raise DataError("example_inputs: wanted finite numbers, got NaN or infinity")
    return floats


def _labels(value: Any, rows: int) -> NDArray[np.int64]:
    if value is None:
        return np.full(rows, UNKNOWN, np.int64)
    array = array_of("labels", _dense(value))
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise DataError(
            f"labels: wanted {rows} classes, integers from 0, got {array.dtype} {array.shape}"
        )
    if array.min() < 0 or array.max() >= _MOST_CLASSES:
        raise DataError(f"labels: wanted integers from 0, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


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
        logits = _logits(module, inputs, named)
    finally:
        for handle in handles:
            handle.remove()
    return _Answer(logits=logits, into_norms=seen, last=last[0] if last else None)


def _logits(module: nn.Module, inputs: Floats, named: nn.Module) -> Floats:
    name = type(named).__name__
    try:
        with torch.no_grad():
            out = module(torch.from_numpy(inputs.copy()))
    except Exception as error:
        raise ExportError(
            f"{name} does not take example_inputs of {inputs.shape[1:]} each, float32:"
            f" {_first_line(error)}",
            remedy=_as_float32(module) or "give examples as it takes them, (N, *input shape)",
        ) from error
    if not isinstance(out, Tensor):
        raise ExportError(
            f"{name} returns a {type(out).__name__}, wanted a tensor of logits (N, K)",
            remedy="return one plain tensor (in Brevitas: return_quant_tensor=False, or .value)",
        )
    if out.dim() != 2 or len(out) != len(inputs) or out.dtype != torch.float32:
        raise ExportError(
            f"{name} returns {str(out.dtype).removeprefix('torch.')} {tuple(out.shape)} for"
            f" {len(inputs)} inputs, wanted float32 logits ({len(inputs)}, K)",
            remedy=_as_float32(module) or "flatten behind the batch, and leave classes to bnnedge",
        )
    return out.numpy()


def _as_float32(module: nn.Module) -> str | None:
    """What to do about a module of numbers that are no float32; None: they are."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            kind = str(tensor.dtype).removeprefix("torch.")
            return f"{name} is {kind}: call .float() on the module, and give it then"
    return None


def _all_logits(module: nn.Module, inputs: Floats, named: nn.Module) -> Floats:
    return np.concatenate([_logits(module, batch, named) for batch in _batches(inputs)])


def _executed(graph: onnx.ModelProto, inputs: Floats) -> Floats:
    return np.concatenate([execute(graph, batch)[OUTPUT] for batch in _batches(inputs)])


def _batches(inputs: Floats) -> Iterator[Floats]:
    return (inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH))


def _mixtures(inputs: Floats) -> Floats:
    """Rows of which every element is one of the examples' there, and the ends of each element."""
    rng = np.random.default_rng(_SEED)
    rows = rng.integers(len(inputs), size=(_MIXED_ROWS, *inputs.shape[1:]))
    mixed = np.take_along_axis(inputs, rows, axis=0)
    return np.concatenate([mixed, inputs.min(0, keepdims=True), inputs.max(0, keepdims=True)])


def _compared(
    copied: nn.Module, constant: nn.Module, inputs: Floats, named: nn.Module
) -> tuple[Floats, int]:
    """Logits of the module of constants, and how many rows' last digits are others in the copy.

    Raises:
        ExportError: the copy decides otherwise, or otherwise whenever it is asked.
    """
    logits, rounded = [], 0
    first, again = (_logits(copied, inputs[:_BATCH], named) for _ in range(2))
    if not np.array_equal(first, again, equal_nan=True):
        raise ExportError(
            f"{type(named).__name__} gives other logits when it is asked again",
            remedy="forward must compute the same from the same input: without random numbers in"
            " evaluation mode (F.dropout wants training=self.training), and without counting",
        )
    for batch in _batches(inputs):
        own, other = (_answer(module, batch, named) for module in (copied, constant))
        for (name, wanted), (_, got) in zip(own.into_norms, other.into_norms, strict=True):
            _require_equal(f"what goes into {name}", wanted, got, constant=True)
        is_norm = own.last is not None and np.array_equal(own.last.reshape(-1), own.logits.ravel())
        if not is_norm or (own.logits.argmax(1) != other.logits.argmax(1)).any():
            _require_equal("logits", own.logits, other.logits, constant=True)
        rounded += int((own.logits != other.logits).any(1).sum())
        logits.append(other.logits)
    return np.concatenate(logits), rounded


def _require_equal(
    what: str, wanted: Floats, got: Floats, *, constant: bool = False, last: str = ""
) -> None:
    """Raises ExportError where the graph, its `last` op, or the module of constants differs."""
    left, right = "PyTorch", "the exported graph"
    remedy = "let layers add up ±1 (bnnedge.ops), whose sums do not round"
    if constant:
        left, right = "the module", "with constant numbers"
        remedy = "bnnedge.ops.AffineBatchNorm rounds the same everywhere; hooks are not exported"
    if last in _KEEP_ORDER:
        remedy = f"return what goes into the last {last}: the classes are the same"
    if wanted.shape != got.shape:
        raise ExportError(f"{what}: {left} gives {wanted.shape}, {right} {got.shape}")
    found = first_difference(wanted, got, channel_axis=1)
    if found is not None:
        raise ExportError(
            f"{what}, channel {found.channel}, input {found.image}: {left} gives"
            f" {found.wanted:.9g}, {right} {found.got:.9g}",
            remedy=remedy,
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
