"""From a model file to a Dataflow and its FINN-ONNX graph, before anything is compared."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import onnx
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import Dataflow, Meaning
from bnnedge.errors import LoweringError
from bnnedge.lowering.check import Original
from bnnedge.lowering.config import LoweringConfig
from bnnedge.lowering.encoding import MOST_INTEGERS, levels_of_input
from bnnedge.lowering.explain import refused
from bnnedge.lowering.fates import Fate, fates_in
from bnnedge.lowering.load import encoding_name, follow, meaning_of, name_in, parse
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.origins import Origins
from bnnedge.lowering.passes.declare_input import (
    input_remarks,
    integers_annotated,
    integers_declared,
    round_input,
)
from bnnedge.lowering.passes.rewriter import remarks_of
from bnnedge.lowering.solve import Solver
from bnnedge.lowering.table import dataflow_of
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.write_finn import write_finn
from bnnedge.progress import Progress, silent


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A lowering that was not checked yet.

    Attributes:
        file: as it was parsed.
        original: the graph as it was read.
        dataflow: what it became.
        graph: the same as a FINN-ONNX graph.
        notes: what was found on the way.
        fates: what became of every node of the file.
    """

    file: onnx.ModelProto
    original: Original
    dataflow: Dataflow
    graph: ModelWrapper
    notes: Notes
    fates: tuple[Fate, ...]


def draft(
    model_onnx: Path, config: LoweringConfig, *, explain: bool = False, progress: Progress = silent
) -> Draft:
    """Lower a model file in memory.

    Raises:
        LoweringError: the file cannot be read or lowered; where it can be read, and with `explain`,
            a `RefusedError`.
    """
    progress("reading the graph", 0.0)
    file = parse(model_onnx, config.input)
    origins = Origins.of(file.graph.node)
    try:
        model, origins = follow(file)
        return _draft(file, model, origins, config, name_in(file, model_onnx), progress)
    except LoweringError as error:
        if explain:
            raise refused(error, origins) from error
        raise


def tidied(
    model_onnx: Path, config: LoweringConfig, until: str, *, explain: bool
) -> tuple[ModelWrapper, tuple[Fate, ...]]:
    """The graph in a file behind a step of tidying up, and what became of the file's nodes."""
    file = parse(model_onnx, config.input)
    try:
        model, origins = follow(file, until)
    except LoweringError as error:
        if explain:
            raise refused(error, Origins.of(file.graph.node)) from error
        raise
    wrapper = ModelWrapper(model, fix_missing_initializer_valueinfo=False)
    return wrapper, fates_in(origins, {})


def _draft(
    file: onnx.ModelProto,
    model: onnx.ModelProto,
    origins: Origins,
    config: LoweringConfig,
    name: str,
    progress: Progress,
) -> Draft:
    notes = Notes(remarks=[*input_remarks(model), *remarks_of(model)])
    original = _of_integers(model, Original.of(model, notes.signs))
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
    dataflow, marks = dataflow_of(
        original.model,
        structure,
        solution,
        name=config.name or name,
        encoding=encoding_name(model),
        meaning=_meaning(model, config),
        classify=config.classify,
    )
    if config.input is not None:
        takes = dataclasses.replace(dataflow.input, declared=config.input.element)
        dataflow = dataclasses.replace(dataflow, input=takes)
    graph = write_finn(dataflow, original.model, structure, solution.tail.steps)
    return Draft(
        file=file,
        original=original,
        dataflow=dataflow,
        graph=graph,
        notes=notes,
        fates=marks.fates(origins, structure, dataflow),
    )


def _meaning(model: onnx.ModelProto, config: LoweringConfig) -> Meaning:
    """What the file says of inputs and classes, but for names that the caller gives."""
    said = meaning_of(model)
    if config.classes is None:
        return said
    return dataclasses.replace(said, class_names=Meaning.named(config.classes).class_names)


def _of_integers(model: onnx.ModelProto, original: Original) -> Original:
    """The graph with a quantiser of the input where that is said to hold integers.

    Where an annotation alone says so, only if the graph itself does not quantise.
    """
    declared, annotated = integers_declared(model), integers_annotated(model)
    kind = declared or annotated
    if kind is None:
        return original
    levels = levels_of_input(original.model, original.structure)
    if levels <= (2 if declared else MOST_INTEGERS):
        return original
    round_input(model, kind)
    return Original.of(model, original.signs)
