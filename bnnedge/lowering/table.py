"""The Dataflow of a lowered graph: read off its nodes, one to one.

The graph is what the passes leave: [Flatten, Gather, Mul ±1] MultiThreshold, then per layer [Pad]
`MatMul or Conv [sum] [Mul ±1] MultiThreshold [max-pools]`, then the last layer and the tail.
There the images are (N, C, H, W); here they are (H, W, C).
"""

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import (
    ArgMax,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    Node,
    OutputTable,
    ScoreTable,
    SlidingWindow,
    ThresholdEncoding,
)
from bnnedge.errors import LoweringError
from bnnedge.lowering.integers import run_all
from bnnedge.lowering.nodes import NodeReader, flips_of, thresholds_of
from bnnedge.lowering.passes.absorb_regions import probe_of
from bnnedge.lowering.structure import Structure, find_structure
from bnnedge.lowering.thresholds import chunks
from bnnedge.lowering.vocabulary import MAX_POOLS, called

_MOST_SCORE_BITS = 1 << 20  # all block RAM of a small FPGA
_MOST_SOFTMAX_SPAN = 64  # exp(-64) is far from float32's smallest number
_LEAST_SOFTMAX_GAP = 1e-4  # ten float32 steps at 64 and more


def read_dataflow(
    model: ModelWrapper, *, name: str, encoding: str | None, classify: bool
) -> Dataflow:
    """Read a graph that the recipe has lowered.

    Args:
        model: in the form above.
        name: of the network.
        encoding: what the input encoding is called, if that is known.
        classify: end in an arg-max even where the graph does not.

    Raises:
        LoweringError: the tail gives NaN or infinity, or an arg-max was asked for that needs too
            large a table.
    """
    structure = find_structure(model)
    reader = NodeReader(model, structure)
    reader.read()
    nodes = list(reader.nodes)
    table = _table(model, structure, classify)
    if table.classes:
        nodes += _class_nodes(table, called(structure.layers[-1]), classify)
    dataflow = Dataflow(
        name=name,
        input=_encoding(model, structure, encoding),
        nodes=tuple(nodes),
        output=table,
        inputs=reader.inputs,
    )
    dataflow.verify()
    return dataflow


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
            remedy="lower without --classify; the host then decides",
        )
    return []


def stream_names(dataflow: Dataflow) -> list[str]:
    """For each matrix-vector unit, the name of the stream in front of its padding and window.

    Args:
        dataflow: one that `read_dataflow` made.
    """
    makers = {node.name: node for node in dataflow.nodes}
    names = []
    for unit in dataflow.mvus:
        (name,) = dataflow.sources[unit.name]
        while isinstance(makers.get(name), SlidingWindow | Flatten):
            (name,) = dataflow.sources[name]
        names.append(name)
    return names


def _encoding(
    model: ModelWrapper, structure: Structure, name: str | None
) -> ThresholdEncoding | IntegerEncoding:
    rows = thresholds_of(model, structure.input)
    shape = tuple(model.get_tensor_shape(structure.source)[1:])
    given = np.arange(int(np.prod(shape)))
    for node in structure.input:
        if node.op_type == "Gather":
            given = model.get_initializer(node.input[1])
    entry = model.get_tensor_shape(structure.encoded)
    # From the graph's order of elements to the stream's.
    order = np.arange(len(given))
    output_shape: tuple[int, ...] = (len(given),)
    if structure.layers[0].op_type == "Conv" or structure.input_pools:
        _, channels, height, width = entry
        order = order.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)
        output_shape = (height, width, channels)
    source: NDArray[np.int32] = given[order].astype(np.int32)
    kind = model.get_tensor_datatype(structure.encoded)
    if kind != DataType["BIPOLAR"]:
        element = ElementType(width_bits=kind.bitwidth(), signed=bool(kind.signed()))
        return IntegerEncoding(
            name=name or str(element).lower(),
            input_shape=shape,
            output_shape=output_shape,
            source=source,
            element=element,
            steps=rows,
        )
    rows = rows.reshape(-1)
    invert = flips_of(model, structure.input, len(rows))
    threshold = np.where(invert, -np.nextafter(rows, np.float32(-np.inf)), rows)
    threshold = np.where(invert & np.isposinf(rows), np.float32(-np.inf), threshold)
    several = len(np.unique(source)) < len(source)
    return ThresholdEncoding(
        name=name or ("thermometer" if several else "threshold"),
        input_shape=shape,
        output_shape=output_shape,
        source=source,
        threshold=threshold[order].astype(np.float32),
        invert=invert[order],
    )


def _softmax_keeps_order(logits: NDArray[np.float32]) -> bool:
    """Whether a float32 (Log)Softmax cannot round any two different ones of `logits` to a tie."""
    different = np.unique(logits).astype(np.float64)
    gaps, span = np.diff(different), different[-1] - different[0]
    return bool(span <= _MOST_SOFTMAX_SPAN and (gaps >= _LEAST_SOFTMAX_GAP).all())


def _table(model: ModelWrapper, structure: Structure, classify: bool) -> OutputTable:
    layer, region = structure.layers[-1], structure.tail
    for pool in region.pools:
        if pool.op_type in MAX_POOLS:
            raise LoweringError(
                f"{called(pool)}: a maximum of the outputs cannot be lowered",
                remedy="end in a sum or an average over the pixels",
            )
    # A Sign in the tail may give 0: the table holds floats.
    probe, reach = probe_of(model, region, {}, table=True)
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
