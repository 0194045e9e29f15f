"""The Dataflow of a lowered graph: read off its nodes, one to one.

The graph is what the passes leave: [Flatten, Gather, Mul ±1] MultiThreshold, then per layer MatMul
[Mul ±1] MultiThreshold, then MatMul and the original tail.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import ArgMax, Dataflow, Node, OutputTable, ThresholdEncoding, XnorMvu
from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import Chain, called, find_chain
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.thresholds import enumerate_region


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
        LoweringError: the tail gives NaN or infinity, or an arg-max was asked for that
            accumulators cannot decide.
    """
    chain = find_chain(model)
    nodes: list[Node] = []
    for index, layer in enumerate(chain.layers):
        weights = (model.get_initializer(layer.input[1]).T > 0).astype(np.uint8)
        threshold, invert = None, None
        if index < len(chain.layers) - 1:
            threshold, invert = _threshold(model, chain.regions[index], weights.shape[1])
        nodes.append(
            XnorMvu(name=f"mvu_{index}", weights=weights, thresholds=threshold, invert=invert)
        )
    table = _table(model, chain, classify)
    if table.classes and table.keeps_order:
        nodes.append(ArgMax(name="arg_max"))
    elif classify:
        raise LoweringError(
            f"{called(chain.layers[-1])}: an arg-max over its accumulators is not always the class,"
            " for the tail scales channels differently or merges values",
            remedy="lower without --classify; the host then decides",
        )
    dataflow = Dataflow(
        name=name, input=_encoding(model, chain, encoding), nodes=tuple(nodes), output=table
    )
    dataflow.verify()
    return dataflow


def _signs(model: ModelWrapper, nodes: tuple[Any, ...], size: int) -> NDArray[np.bool_]:
    for node in nodes:
        if node.op_type == "Mul":
            flipped: NDArray[np.bool_] = model.get_initializer(node.input[1]).reshape(-1) < 0
            return flipped
    return np.zeros(size, np.bool_)


def _rows(model: ModelWrapper, nodes: tuple[Any, ...]) -> NDArray[np.float32]:
    node = next(node for node in nodes if node.op_type == "MultiThreshold")
    rows: NDArray[np.float32] = model.get_initializer(node.input[1]).reshape(-1)
    return rows


def _threshold(
    model: ModelWrapper, region: tuple[Any, ...], synapses: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    signed = _rows(model, region)
    invert = _signs(model, region, len(signed))
    popcount = np.where(invert, synapses + 2 - signed, signed + synapses) / 2
    return popcount.astype(np.int32), invert


def _encoding(model: ModelWrapper, chain: Chain, name: str | None) -> ThresholdEncoding:
    rows = _rows(model, chain.input)
    invert = _signs(model, chain.input, len(rows))
    shape = tuple(model.get_tensor_shape(chain.source)[1:])
    source = np.arange(int(np.prod(shape)))
    for node in chain.input:
        if node.op_type == "Gather":
            source = model.get_initializer(node.input[1])
    threshold = np.where(invert, -np.nextafter(rows, np.float32(-np.inf)), rows)
    threshold = np.where(invert & np.isposinf(rows), np.float32(-np.inf), threshold)
    several = len(np.unique(source)) < len(source)
    return ThresholdEncoding(
        name=name or ("thermometer" if several else "threshold"),
        input_shape=shape,
        output_shape=(len(source),),
        source=source.astype(np.int32),
        threshold=threshold.astype(np.float32),
        invert=invert,
    )


def _table(model: ModelWrapper, chain: Chain, classify: bool) -> OutputTable:
    layer, tail = chain.layers[-1], chain.regions[-1]
    # A Sign in the tail may give 0: the table holds floats.
    made = enumerate_region(model, Runner(model), layer, tail)
    values = made[chain.result].reshape(len(made[layer.output[0]]), -1).T
    if values.dtype != np.float32 or not np.isfinite(values).all():
        last = called(tail[-1] if tail else layer)
        what = values.dtype if values.dtype != np.float32 else "NaN or infinity"
        raise LoweringError(
            f"{last}: the graph's output is {what}, wanted finite float32",
            remedy="let the graph end in float logits, or in the class by ArgMax or TopK",
        )
    synapses = len(model.get_initializer(layer.input[1]))
    classes = classify or chain.top1 is not None
    return OutputTable(values=values, classes=classes, low=-synapses)
