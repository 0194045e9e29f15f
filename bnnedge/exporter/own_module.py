"""The stage for a module of one's own: an `nn.Module` and inputs in, checked QONNX model out."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from bnnedge.artifacts import Artifact
from bnnedge.data.pairs import examples_of
from bnnedge.dataflow.meaning import Meaning
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.errors import DataError
from bnnedge.exporter.answers import (
    all_logits,
    compared,
    executed,
    logits_of,
    require_equal,
    require_logits,
)
from bnnedge.exporter.check import Floats
from bnnedge.exporter.examples import examples_in, labels_in, mixtures
from bnnedge.exporter.facts import EXPORT, MADE, REFERENCE_FILE, ExportFacts
from bnnedge.exporter.onnx_model import describe, module_to_qonnx
from bnnedge.exporter.signs import following, write_signs
from bnnedge.exporter.snapshot import constant_of, snapshot
from bnnedge.exporter.stage import MODEL
from bnnedge.progress import Progress, silent
from bnnedge.tools import python_versions

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
    numbers = labels_in(known, len(inputs := examples_in(given)))
    copied = snapshot(module)
    progress("running the module", 0.0)
    meaning = Meaning.named(classes)
    _require_classes(logits_of(copied, inputs[:1], module), numbers, meaning)
    progress("writing QONNX", 0.1)
    constant = constant_of(copied)
    graph = _written(constant, inputs.shape[1:], module)
    describe(graph, type(copied).__name__, meaning)
    signs = write_signs(graph, sign_zero)
    every = np.concatenate([inputs, mixtures(inputs)])
    progress("comparing the logits", 0.4)
    with following(sign_zero):
        logits, rounded = compared(copied, constant, every, module)
    require_equal("logits", logits, executed(graph, every))
    remarks = [_ROUNDED.format(rounded, len(every))] if rounded else []
    if signs:
        others = all_logits(constant, every, module) != logits
        remarks.append(_ZEROS.format(sign_zero.bit, others.any(1).sum(), len(every)))
    progress("saving", 0.95)
    return _published(graph, every, numbers, logits, rounded, tuple(remarks), out)


def _written(constant: nn.Module, shape: tuple[int, ...], named: nn.Module) -> onnx.ModelProto:
    graph = module_to_qonnx(constant, shape)
    require_logits(graph, named)
    return graph


def _require_classes(logits: Floats, labels: NDArray[np.int64], meaning: Meaning) -> None:
    count = logits.shape[1]
    if labels.max() >= count:
        raise DataError(
            f"labels: wanted 0 to {count - 1}, got {labels.max()}",
            remedy="give the network an output for each class, also where there are only two",
        )
    meaning.verify((), count, raises=DataError)  # without a reading


def answers_of(
    module: nn.Module, sign_zero: SignZero = SignZero.REFUSE
) -> Callable[[ArrayLike | Tensor], Floats]:
    """What a module, as it is now, answers: inputs (N, *input shape) → logits (N, K), float32.

    They are those of its export, see `export`, which says what is raised.
    """
    constant = constant_of(snapshot(module))

    def answers(inputs: ArrayLike | Tensor) -> Floats:
        with following(sign_zero):
            return all_logits(constant, examples_in(inputs), module)

    return answers


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
