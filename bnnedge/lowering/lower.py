"""The stage: a model file → a Dataflow folder, checked; and the same in memory."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.arrays import open_npz
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ArrayError, LoweringError
from bnnedge.lowering.config import LoweringConfig
from bnnedge.lowering.facts import LOWER, REFERENCE_FILE, LoweringFacts
from bnnedge.names import network_name
from bnnedge.progress import Progress, silent

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

    from bnnedge.lowering.check import Original
    from bnnedge.lowering.notes import Notes

LOWERED_FILE = "lowered.onnx"
_REFERENCE_ARRAYS = ("inputs", "logits", "accumulators")
_SINGLE_IMAGES = 2
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
    facts: Mapping[str, Any]


@checked
def lower(
    model_onnx: Path, config: LoweringConfig, out: Path, *, progress: Progress = silent
) -> Artifact[LoweringFacts]:
    """Lower a model file into the folder `out`: dataflow.json, weights.npz, lowered.onnx.

    Args:
        model_onnx: a network of binary layers, fully connected or convolutional, as QONNX,
            FINN-ONNX or plain ONNX. A `reference.npz` beside it (arrays `inputs` and `logits`,
            maybe `accumulators`) is checked, too.
        config: the user's choices.
        out: folder to publish.
        progress: called at each step.

    Raises:
        LoweringError: the file cannot be read or lowered; the node is named.
        MismatchError: the Dataflow is not the graph; node, channel and image are named.
    """
    if not model_onnx.is_file():
        raise LoweringError(
            f"{model_onnx}: no such file",
            remedy="give an ONNX file, or the folder that `bnnedge export` wrote",
        )

    def write(folder: Path) -> Mapping[str, Any]:
        lowered = lower_model(model_onnx, config, progress=progress)
        lowered.dataflow.save(folder)
        lowered.graph.save(str(folder / LOWERED_FILE))
        return lowered.facts

    from bnnedge.lowering.finn import versions
    from bnnedge.lowering.load import external_files

    reference = model_onnx.parent / REFERENCE_FILE
    inputs = (model_onnx, *external_files(model_onnx), *([reference] if reference.exists() else []))
    return LOWER.publish(out, write, config=config, inputs=inputs, tools=versions)


def lower_model(
    model_onnx: Path, config: LoweringConfig, *, progress: Progress = silent
) -> Lowered:
    """Lower a model file in memory; see `lower`."""
    from bnnedge.lowering import check, recipe
    from bnnedge.lowering.load import encoding_name, read
    from bnnedge.lowering.notes import Notes
    from bnnedge.lowering.passes.declare_input import input_remarks
    from bnnedge.lowering.solve import Solver
    from bnnedge.lowering.table import dataflow_of
    from bnnedge.lowering.vocabulary import called
    from bnnedge.lowering.write_finn import write_finn

    progress("reading the graph", 0.0)
    model = read(model_onnx, config.input)
    notes = Notes(remarks=input_remarks(model))
    original = _of_integers(model, check.Original.of(model, notes.signs))
    structure = original.structure
    if structure.softmax is not None:
        node = called(structure.softmax)
        notes.remarks.append(f"{node}: left to the host; the logits are what goes into it")
    progress("finding thresholds", 0.0)
    solution = Solver(original.model, structure, config.sign_zero, notes).solve()
    original = dataclasses.replace(original, offset=notes.offset)
    inner = [lift for lift in notes.lifted if lift.layer != structure.layers[-1].name]
    if inner and not structure.is_line:
        lift = inner[0]
        raise LoweringError(
            f"node {lift.layer}: the graph rounds inside its own sums ({lift.what}), and branches"
            " do not let that be followed",
            remedy="use scales that are powers of two, or scale behind the sum",
        )
    dataflow = dataflow_of(
        original.model,
        structure,
        solution,
        name=config.name or network_name(model_onnx.stem),
        encoding=encoding_name(model),
        classify=config.classify,
    )
    if config.input is not None:
        takes = dataclasses.replace(dataflow.input, declared=config.input.element)
        dataflow = dataclasses.replace(dataflow, input=takes)
    graph = write_finn(dataflow, original.model, structure, solution.tail.steps)
    if structure.has_images and structure.is_chain:  # FINN's passes give wrong values at forks
        graph = recipe.apply(recipe.image_steps(graph), graph)
    checks = _checked(model_onnx, config, original, dataflow, graph, notes, progress)
    facts = _facts(dataflow, structure.layers, notes)
    return Lowered(dataflow=dataflow, graph=graph, facts=facts | {"checks": checks})


def _of_integers(model: "ModelWrapper", original: "Original") -> "Original":
    """The graph with a quantiser of the input where that is said to hold integers.

    Where an annotation alone says so, only if the graph itself does not quantise.
    """
    from bnnedge.lowering import check
    from bnnedge.lowering.encoding import MOST_INTEGERS, levels_of_input
    from bnnedge.lowering.passes.declare_input import (
        integers_annotated,
        integers_declared,
        round_input,
    )

    declared, annotated = integers_declared(model), integers_annotated(model)
    kind = declared or annotated
    if kind is None:
        return original
    levels = levels_of_input(original.model, original.structure)
    if levels <= (2 if declared else MOST_INTEGERS):
        return original
    round_input(model, kind)
    return check.Original.of(model, original.signs)


def _facts(dataflow: Dataflow, layers: tuple[Any, ...], notes: "Notes") -> dict[str, Any]:
    """What is to know of a lowering, but for its checks; `layers` are the graph's nodes."""
    return {
        "layers": [
            {"name": mvu.name, "node": layer.name, "mh": mvu.mh, "mw": mvu.mw}
            for mvu, layer in zip(dataflow.mvus, layers, strict=True)
        ],
        "encoding": {
            "name": dataflow.input.name,
            "element": str(dataflow.input.stream.element),
            "elements": dataflow.input.features,
        },
        "lifted": [dataclasses.asdict(lift) for lift in notes.lifted],
        "remarks": notes.remarks,
    }


def _checked(
    model_onnx: Path,
    config: LoweringConfig,
    original: "Original",
    dataflow: Dataflow,
    graph: "ModelWrapper",
    notes: "Notes",
    progress: Progress,
) -> dict[str, Any]:
    """Counts of all comparisons, which hold; remarks go to `notes`."""
    from bnnedge.lowering import check
    from bnnedge.lowering.fusions import fusion_remark
    from bnnedge.lowering.stimuli import adversarial_inputs

    images = max(_LEAST_IMAGES, min(config.check_images, _PRODUCTS // original.costs()[0]))
    x = adversarial_inputs(dataflow, images, config.seed)
    finn_images = _CONV_FINN_IMAGES if original.structure.has_images else _FINN_IMAGES
    progress("comparing with the graph", 0.4)
    checks: dict[str, Any] = {
        "original": check.check_original(dataflow, original, notes.lifted, x),
        "finn": {"images": check.check_finn(dataflow, graph, x[-finn_images:])},
    }
    if not notes.lifted:  # inexact sums depend on the batch, too
        few = x[:: max(1, len(x) // _SINGLE_IMAGES)][:_SINGLE_IMAGES]
        checks["batching"] = {"images": check.check_batching(original, few)}
    reference = _reference(model_onnx.parent / REFERENCE_FILE, dataflow)
    if reference is not None:
        progress("comparing with PyTorch", 0.7)
        inputs = reference["inputs"]
        checks["reference"] = check.check_original(dataflow, original, notes.lifted, inputs)
        checks["pytorch"] = check.check_reference(dataflow, reference, bool(notes.lifted))
    notes.remarks += filter(None, [fusion_remark(original, x)])
    for side in ("original", "reference"):
        counts = checks.get(side, {})
        if counts.get("rounding_images"):
            notes.remarks.append(
                f"{counts['rounding_images']} of {counts['images']} images ({side} check) met"
                " rounding inside the original's own sums, and were compared up to there"
            )
    return checks


def _reference(path: Path, dataflow: Dataflow) -> dict[str, NDArray[Any]] | None:
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
