"""A Dataflow of points: nodes, the table of the outputs, and what finds classes."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    ArgMax,
    Dataflow,
    Flatten,
    Meaning,
    Node,
    OutputTable,
    ScoreTable,
    SlidingWindow,
)
from bnnedge.errors import LoweringError, named
from bnnedge.lowering.build import Builder
from bnnedge.lowering.explain import Marks
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.integers import run_all
from bnnedge.lowering.points import Solution
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.thresholds import chunks
from bnnedge.lowering.vocabulary import MAX_POOLS, called

_MOST_SCORE_BITS = 1 << 20  # all block RAM of a small FPGA
_MOST_SOFTMAX_SPAN = 64  # exp(-64) is far from float32's smallest number
_LEAST_SOFTMAX_GAP = 1e-4  # ten float32 steps at 64 and more


def dataflow_of(
    model: IndexedModel,
    structure: Structure,
    solution: Solution,
    *,
    name: str,
    encoding: str | None,
    meaning: Meaning,
    classify: bool,
) -> tuple[Dataflow, Marks]:
    """The Dataflow of a solved graph, and what became of the nodes of that.

    Args:
        model: tidy.
        structure: of it.
        solution: of it.
        name: of the network.
        encoding: what the input encoding is called, if that is known.
        meaning: of inputs and classes.
        classify: end in an arg-max even where the graph does not.

    Raises:
        LoweringError: the tail gives NaN or infinity, or an arg-max was asked for that needs too
            large a table.
    """
    builder = Builder(model, structure)
    builder.build(solution.points)
    nodes = list(builder.nodes)
    table = _table(structure, solution, classify)
    if table.classes:
        nodes += _class_nodes(table, called(structure.layers[-1]), classify)
    given = solution.encoding
    dataflow = Dataflow(
        name=name,
        input=given if encoding is None else dataclasses.replace(given, name=encoding),
        nodes=tuple(nodes),
        output=table,
        inputs=builder.inputs,
        meaning=meaning,
    )
    dataflow.verify()
    return dataflow, builder.marks


def _class_nodes(table: OutputTable, layer: str, classify: bool) -> list[Node]:
    """What finds classes in hardware; nothing where that is too large and was not asked for."""
    arg_max = ArgMax(name="arg_max", k=table.k)
    if table.keeps_order:
        return [arg_max]
    scores = ScoreTable(name="score_table", scores=table.scores(), low=table.low, step=table.step)
    if scores.table_bits <= _MOST_SCORE_BITS:
        return [scores, arg_max]
    if classify:
        classes, columns = scores.scores.shape
        raise LoweringError(
            f"{layer}: its tail scales classes differently or merges values, so an arg-max needs a"
            f" table of {classes} x {columns} scores of {scores.element.width_bits} bits; wanted at"
            f" most {_MOST_SCORE_BITS} bits",
            remedy=f"lower without {named('classify', True)}; the host then decides",
        )
    return []


def stream_names(dataflow: Dataflow) -> list[str]:
    """For the node of each layer, the name of the stream in front of its padding and window.

    Args:
        dataflow: one that `dataflow_of` made.
    """
    makers, sources = {node.name: node for node in dataflow.nodes}, dataflow.sources
    names = []
    for unit in dataflow.layers:
        (name,) = sources[unit.name]
        while isinstance(makers.get(name), SlidingWindow | Flatten):
            (name,) = sources[name]
        names.append(name)
    return names


def _softmax_keeps_order(logits: NDArray[np.float32]) -> bool:
    """Whether a float32 (Log)Softmax cannot round any two different ones of `logits` to a tie."""
    different = np.unique(logits).astype(np.float64)
    gaps, span = np.diff(different), different[-1] - different[0]
    return bool(span <= _MOST_SOFTMAX_SPAN and (gaps >= _LEAST_SOFTMAX_GAP).all())


def _table(structure: Structure, solution: Solution, classify: bool) -> OutputTable:
    layer, region = structure.layers[-1], structure.tail
    for pool in region.pools:
        if pool.op_type in MAX_POOLS:
            raise LoweringError(
                f"{called(pool)}: a maximum of the outputs cannot be lowered",
                remedy="end in a sum or an average over the pixels",
            )
    probe, reach = solution.tail, solution.reach
    tensor = layer.output[0]
    layout = probe.layouts[structure.result]
    if layout.at.size != layout.channels:
        raise LoweringError(
            f"{called(layer)}: gives {layout.at.size // layout.channels} pixels of"
            f" {layout.channels} channels, wanted one value per class",
            remedy="sum or average over the pixels at the end",
        )
    values = run_all(chunks(probe, tensor, reach.values), structure.result).T
    if values.dtype != np.float32 or not np.isfinite(values).all():
        tail = tuple(region)
        last = called(tail[-1] if tail else layer)
        what = values.dtype if values.dtype != np.float32 else "NaN or infinity"
        raise LoweringError(
            f"{last}: the graph's output is {what}, wanted finite float32",
            remedy="let the graph end in float logits, or in the classes by ArgMax or TopK",
        )
    if structure.softmax is not None and structure.k > 1 and not _softmax_keeps_order(values):
        raise LoweringError(
            f"{called(structure.softmax)}: can round different logits to one value, and then the"
            f" top {structure.k} are others",
            remedy="take the TopK of the logits",
        )
    classes = classify or structure.top_k is not None
    return OutputTable(
        values=values, classes=classes, low=reach.low, step=reach.step, k=structure.k
    )
