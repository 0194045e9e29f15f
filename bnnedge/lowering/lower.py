"""The stage: a model file → a Dataflow folder, checked; and the same in memory."""

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked, did_you_mean
from bnnedge.arrays import open_npz
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ArrayError, ConfigError, LoweringError, MismatchError
from bnnedge.findings import Check
from bnnedge.lowering.config import LoweringConfig
from bnnedge.lowering.facts import (
    LOWER,
    REFERENCE_FILE,
    UNTIL,
    Counts,
    GraphFacts,
    LoweringFacts,
    checks_of,
)
from bnnedge.names import shown
from bnnedge.progress import Progress, silent
from bnnedge.records import to_json

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

    from bnnedge.lowering.draft import Draft
    from bnnedge.lowering.indexed import Array

LOWERED = "lowered"
LOWERED_FILE = f"{LOWERED}.onnx"
_REFERENCE_ARRAYS = ("inputs", "logits", "accumulators")
_LEAST_IMAGES = 16
_PRODUCTS = 1 << 34  # multiplications that comparing with the original may take
_CONV_FINN_IMAGES = 8
_FINN_IMAGES = 64  # qonnx runs popcounts in float numpy: enough to find a wrong pass


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lowered:
    """A lowering in memory.

    Attributes:
        dataflow: the result, checked.
        graph: the same as a FINN-ONNX graph of integer MultiThreshold and XnorPopcountMatMul; with
            images of Im2Col, bipolar MatMul and pools, channels last, or of bipolar Conv where the
            passes that make these do not know what the network has.
        facts: layers, remarks and check counts, as JSON values.
    """

    dataflow: Dataflow
    graph: "ModelWrapper"
    facts: Mapping[str, object]


@checked
def lower(
    model_onnx: Path,
    config: LoweringConfig,
    out: Path,
    *,
    explain: bool = False,
    progress: Progress = silent,
) -> Artifact[LoweringFacts]:
    """Lower a model file into the folder `out`: dataflow.json, weights.npz, lowered.onnx.

    Args:
        model_onnx: a network of binary layers, fully connected or convolutional, as QONNX,
            FINN-ONNX or plain ONNX. A `reference.npz` beside it (arrays `inputs` and `logits`,
            maybe `accumulators`) is checked, too.
        config: the user's choices.
        out: folder to publish.
        explain: see `lower_model`.
        progress: called at each step.

    Raises:
        LoweringError: the file cannot be read or lowered; the node is named.
        MismatchError: the Dataflow is not the graph; node, channel and image are named.
    """
    _check_file(model_onnx)

    def write(folder: Path) -> Mapping[str, object]:
        lowered = lower_model(model_onnx, config, explain=explain, progress=progress)
        lowered.dataflow.save(folder)
        lowered.graph.save(str(folder / LOWERED_FILE))
        return lowered.facts

    from bnnedge.lowering.load import external_files

    reference = model_onnx.parent / REFERENCE_FILE
    inputs = (model_onnx, *external_files(model_onnx), *([reference] if reference.exists() else []))
    return LOWER.publish(out, write, config=config, inputs=inputs, tools=_versions)


@checked
def compare(
    model_onnx: Path,
    config: LoweringConfig,
    inputs: NDArray[np.generic],
    logits: NDArray[np.number] | None = None,
) -> tuple[Check, ...]:
    """Compare a model file's Dataflow with the file, and with what PyTorch gives, on inputs.

    Args:
        model_onnx: the file.
        config: the user's choices.
        inputs: (N, *input shape).
        logits: (N, K), PyTorch's; None: not known.

    Returns:
        The equalities that hold.

    Raises:
        LoweringError: see `lower`.
        DataError: the inputs are not what the network takes.
        MismatchError: names the first differing layer, channel and image.
    """
    from bnnedge.lowering import check
    from bnnedge.lowering.draft import draft

    _check_file(model_onnx)
    found = draft(model_onnx, config)
    dataflow, lifted = found.dataflow, found.notes.lifted
    dataflow.encode(inputs)  # says what is wrong with them
    x = np.asarray(inputs, np.float32)
    counts = {"reference": check.check_original(dataflow, found.original, lifted, x)}
    if logits is not None:
        reference = {"inputs": x, "logits": logits}
        counts["pytorch"] = check.check_reference(dataflow, reference, bool(lifted))
    return checks_of({side: Counts(**count) for side, count in counts.items()})


def write_graph(
    model_onnx: Path,
    config: LoweringConfig,
    until: str,
    out: Path,
    *,
    explain: bool = False,
    progress: Progress = silent,
) -> Artifact[GraphFacts]:
    """Write the graph as it is behind a step into the folder `out`, as `<step>.onnx`.

    Args:
        model_onnx: see `lower`.
        config: see `lower`.
        until: name of a step of tidying up, or `lowered`.
        out: folder to publish.
        explain: see `lower_model`.
        progress: called at each step.

    Raises:
        ConfigError: there is no such step.
        LoweringError: see `lower`.
    """
    _check_file(model_onnx)
    from bnnedge.lowering.draft import draft, tidied
    from bnnedge.lowering.load import external_files
    from bnnedge.lowering.tidy import STEPS

    names = [*dict.fromkeys(step.name for step in STEPS), LOWERED]
    if until not in names:
        near = did_you_mean(until, names)
        wanted = "a step" if near else f"one of {', '.join(names)}"
        raise ConfigError(f"until: wanted {wanted}, got {shown(until)}{near}")

    def write(folder: Path) -> GraphFacts:
        if until == LOWERED:
            found = draft(model_onnx, config, explain=explain, progress=progress)
            graph, fates = found.graph, found.fates
        else:
            graph, fates = tidied(model_onnx, config, until, explain=explain)
        graph.save(str(folder / f"{until}.onnx"))
        return GraphFacts(step=until, nodes=len(graph.graph.node), fates=fates)

    inputs = (model_onnx, *external_files(model_onnx))
    request = {"lowering": config, "until": until}
    return UNTIL.publish(out, write, config=request, inputs=inputs, tools=_versions)


def _versions() -> dict[str, str]:
    """Of the packages that take part."""
    return {name: version(name) for name in ("qonnx", "onnx", "onnxruntime", "numpy")}


def _check_file(model_onnx: Path) -> None:
    if not model_onnx.is_file():
        raise LoweringError(
            f"{model_onnx}: no such file",
            remedy="give an ONNX file, or the folder that `bnnedge export` wrote",
        )


def lower_model(
    model_onnx: Path, config: LoweringConfig, *, explain: bool = False, progress: Progress = silent
) -> Lowered:
    """Lower a model file in memory; see `lower`.

    Args:
        model_onnx: the file.
        config: the user's choices.
        explain: raise `bnnedge.lowering.fates.RefusedError` where the graph cannot be lowered.
        progress: called at each step.
    """
    from bnnedge.lowering.draft import draft

    found = draft(model_onnx, config, explain=explain, progress=progress)
    checks = _checked(model_onnx, config, found, progress)
    facts = _facts(found) | {"checks": checks}
    return Lowered(dataflow=found.dataflow, graph=found.graph, facts=facts)


def _facts(found: "Draft") -> dict[str, object]:
    """What is to know of a lowering, but for its checks."""
    dataflow, notes, layers = found.dataflow, found.notes, found.original.structure.layers
    return {
        "layers": [
            {"name": unit.name, "node": layer.name, "mh": unit.mh, "mw": unit.fan_in}
            for unit, layer in zip(dataflow.layers, layers, strict=True)
        ],
        "encoding": {
            "name": dataflow.input.name,
            "element": str(dataflow.input.stream.element),
            "elements": dataflow.input.features,
        },
        "lifted": [dataclasses.asdict(lift) for lift in notes.lifted],
        "remarks": notes.remarks,
        "fates": to_json(found.fates),
    }


def _checked(
    model_onnx: Path,
    config: LoweringConfig,
    found: "Draft",
    progress: Progress,
) -> dict[str, Mapping[str, int]]:
    """Counts of all comparisons, which hold; remarks go to the notes."""
    from bnnedge.lowering import check, file_check
    from bnnedge.lowering.fusions import fusion_remark
    from bnnedge.lowering.signs import what_to_do
    from bnnedge.lowering.stimuli import adversarial_inputs

    original, dataflow, notes = found.original, found.dataflow, found.notes
    images = max(_LEAST_IMAGES, min(config.check_images, _PRODUCTS // original.costs()[0]))
    x = adversarial_inputs(dataflow, images, config.seed)
    finn_images = _CONV_FINN_IMAGES if original.structure.has_images else _FINN_IMAGES
    progress("comparing with the graph", 0.4)
    checks: dict[str, Mapping[str, int]] = {
        "original": check.check_original(dataflow, original, notes.lifted, x),
        "finn": {"images": check.check_finn(dataflow, found.graph, x[-finn_images:])},
    }
    images = file_check.check_file(found.file, original, x, rounds=bool(notes.lifted))
    checks["file"] = {"images": images}
    if not images:
        notes.remarks.append(
            "the file itself was not compared: every image that was tried makes a Sign an exact 0"
        )
    reference = _reference(model_onnx.parent / REFERENCE_FILE, dataflow)
    if reference is not None:
        progress("comparing with PyTorch", 0.7)
        inputs = np.asarray(reference["inputs"], np.float32)
        checks["reference"] = check.check_original(dataflow, original, notes.lifted, inputs)
        try:
            checks["pytorch"] = check.check_reference(dataflow, reference, bool(notes.lifted))
        except MismatchError as error:
            if not notes.signs:
                raise
            raise MismatchError(
                f"{error.message}, where a Sign has an exact 0", remedy=what_to_do()
            ) from error
    notes.remarks += filter(None, [fusion_remark(original, x)])
    for side in ("original", "reference"):
        counts = checks.get(side, {})
        if counts.get("rounding_images"):
            notes.remarks.append(
                f"{counts['rounding_images']} of {counts['images']} images ({side} check) met"
                " rounding inside the original's own sums, and were compared up to there"
            )
    return checks


def _reference(path: Path, dataflow: Dataflow) -> "dict[str, Array] | None":
    """The arrays that the exporter left; None where there is no file."""
    if not path.exists():
        return None
    try:
        with open_npz(path) as arrays:
            names = [name for name in _REFERENCE_ARRAYS if name in arrays.headers]
            given = arrays.headers.get("inputs")
            wanted = dataflow.input.input_shape
            if given is None or "logits" not in names:
                raise ArrayError(f"{path}: wanted arrays inputs and logits, got {names}")
            if given.shape[1:] != wanted or given.dtype != np.float32 or not given.shape[0]:
                raise ArrayError(f"{path}: wanted float32 inputs (N, *{wanted}), got {given}")
            reference = {name: arrays.read(name) for name in names}
        if any(np.isnan(array).any() for array in reference.values()):
            raise ArrayError(f"{path}: holds NaN")
    except ArrayError as error:
        raise LoweringError(error.message, remedy="export again, or remove the file") from error
    return reference
