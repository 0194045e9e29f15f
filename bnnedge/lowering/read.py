"""The Dataflow of a lowered graph: read off its nodes, one to one.

The graph is what the passes leave: [Flatten, Gather, Mul ±1] MultiThreshold, then per layer [Pad]
MatMul or Conv [sum] [Mul ±1] MultiThreshold [max-pools], then the last layer and the original tail.
There the images are (N, C, H, W); here they are (H, W, C).
"""

from dataclasses import dataclass
from typing import Any

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
    IntegerMvu,
    MaxPool,
    Node,
    OutputTable,
    ScoreTable,
    SlidingWindow,
    SumPool,
    Threshold,
    ThresholdEncoding,
    Window,
    XnorMvu,
)
from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import MAX_POOLS, Chain, Region, attribute, called, find_chain
from bnnedge.lowering.passes.absorb_regions import probe_of
from bnnedge.lowering.regions import padding_classes
from bnnedge.lowering.thresholds import chunks
from bnnedge.lowering.windows import pad_of, window_of

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
    chain = find_chain(model)
    nodes: list[Node] = [
        MaxPool(name=f"input_pool_{number}", window=window_of(model, pool))
        for number, pool in enumerate(chain.input_pools)
    ]
    for index in range(len(chain.layers)):
        nodes += _layer(model, chain, index)
    table = _table(model, chain, classify)
    if table.classes:
        nodes += _class_nodes(table, called(chain.layers[-1]), classify)
    dataflow = Dataflow(
        name=name, input=_encoding(model, chain, encoding), nodes=tuple(nodes), output=table
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
    names = []
    last = "input"
    for node in dataflow.nodes:
        if isinstance(node, XnorMvu | IntegerMvu):
            names.append(last)
        if not isinstance(node, SlidingWindow | Flatten):
            last = node.name
    return names


def _layer(model: ModelWrapper, chain: Chain, index: int) -> list[Node]:
    """The nodes of one layer, from its window to its last pool."""
    layer, region, name = chain.layers[index], chain.regions[index], f"mvu_{index}"
    shape = list(model.get_tensor_shape(chain.entry(index)))
    nodes: list[Node] = []
    groups, window, exact = 1, None, False
    if layer.op_type == "Conv":
        groups, window = attribute(layer, "group", 1), window_of(model, layer)
        fill, exact = 0, any(window.padding)
        if chain.pads[index] is not None:
            padding, value = pad_of(model, chain.pads[index])
            window = Window(
                kernel=window.kernel,
                stride=window.stride,
                dilation=window.dilation,
                padding=padding,
            )
            fill = int(value > 0) if _is_bipolar(model, chain, index) else int(value)
        if window != Window(kernel=(1, 1)):
            nodes.append(
                SlidingWindow(name=f"window_{index}", window=window, fill=fill, groups=groups)
            )
    elif _is_behind_map(chain, index):
        nodes.append(Flatten(name=f"flatten_{index}"))
    weights = _weights(model, chain, index)
    unit = _Unit(name=name, weights=(weights > 0).astype(np.uint8), groups=groups)
    last = index == len(chain.layers) - 1
    sums = [pool for pool in region.pools if pool.op_type not in MAX_POOLS]
    threshold, invert = (None, None) if last else _threshold(model, chain, index)
    own = (None, None) if sums else (threshold, invert)
    if _is_bipolar(model, chain, index):
        border = None
        if exact:
            assert window is not None
            border = _Border.of(window, weights, shape, groups)
        nodes.append(unit.xnor(own[0], own[1], border))
    else:
        nodes.append(unit.integer(own[0], own[1]))
    if sums:
        nodes.append(SumPool(name=f"sum_{index}", window=window_of(model, sums[0])))
        if threshold is not None and invert is not None:
            nodes.append(
                Threshold(
                    name=f"threshold_{index}",
                    thresholds=threshold.astype(np.int32),
                    invert=invert,
                )
            )
    if last:
        if layer.op_type == "Conv":
            nodes.append(Flatten(name=f"flatten_{index + 1}"))
        return nodes
    return nodes + _max_pools(model, region, index, len(weights))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Border:
    """Exact zeros around ±1: a padded tap is bit 0, which stands for −1, and must not count.

    accumulator = dot product with −1 + sum of the padded taps' weights, per border class.

    Attributes:
        classes: int32 (OH, OW).
        correction: int64 (classes, MH).
    """

    classes: NDArray[np.int32]
    correction: NDArray[np.int64]

    @classmethod
    def of(
        cls, window: Window, weights: NDArray[Any], shape: list[int], groups: int
    ) -> "_Border | None":
        inside = window.inside(shape[2], shape[3])
        if inside.all():
            return None
        classes = padding_classes(window, shape[2], shape[3])
        number = int(classes.max()) + 1
        first = [int(np.flatnonzero(classes.reshape(-1) == one)[0]) for one in range(number)]
        outside = ~inside.reshape(-1, window.taps)[first]
        per_tap = weights.reshape(len(weights), window.taps, -1).sum(axis=2)
        correction = outside.astype(np.int64) @ per_tap.T.astype(np.int64)
        return cls(classes=classes, correction=correction)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Unit:
    """A matrix-vector unit to be."""

    name: str
    weights: NDArray[np.uint8]
    groups: int

    def xnor(
        self,
        threshold: NDArray[np.int64] | None,
        invert: NDArray[np.bool_] | None,
        border: _Border | None,
    ) -> XnorMvu:
        """`threshold` is on accumulators; p is the popcount of (accumulator + MW) / 2."""
        synapses = self.weights.shape[1]
        popcounts, correction = None, None
        if threshold is not None:
            dots = threshold if border is None else threshold - border.correction
            popcounts = np.clip(-(-(dots + synapses) // 2), 0, synapses + 1).astype(np.int32)
        elif border is not None:
            correction = border.correction.astype(np.int32)
        return XnorMvu(
            name=self.name,
            weights=self.weights,
            thresholds=popcounts,
            invert=invert,
            groups=self.groups,
            border=None if border is None else border.classes,
            correction=correction,
        )

    def integer(
        self, threshold: NDArray[np.int64] | None, invert: NDArray[np.bool_] | None
    ) -> IntegerMvu:
        """`threshold` is on accumulators."""
        return IntegerMvu(
            name=self.name,
            weights=self.weights,
            thresholds=None if threshold is None else threshold.astype(np.int32),
            invert=invert,
            groups=self.groups,
        )


def _is_bipolar(model: ModelWrapper, chain: Chain, index: int) -> bool:
    return bool(model.get_tensor_datatype(chain.entry(index)) == DataType["BIPOLAR"])


def _weights(model: ModelWrapper, chain: Chain, index: int) -> NDArray[np.float32]:
    """±1 weights (MH, MW) in the order in which the stream's elements come."""
    layer = chain.layers[index]
    weights: NDArray[np.float32] = model.get_initializer(layer.input[1])
    if layer.op_type == "Conv":
        return weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    rows = weights.T
    producer = model.find_producer(chain.entry(index))
    before = model.get_tensor_shape(producer.input[0]) if producer is not None else []
    if _is_behind_map(chain, index) and producer.op_type == "Reshape" and len(before) == 4:
        _, channels, height, width = before
        planes = rows.reshape(len(rows), channels, height, width)
        return planes.transpose(0, 2, 3, 1).reshape(len(rows), -1)
    return rows


def _is_behind_map(chain: Chain, index: int) -> bool:
    """Whether a layer sees what a Conv or a pool of the input makes."""
    return chain.layers[index - 1].op_type == "Conv" if index else bool(chain.input_pools)


def _max_pools(model: ModelWrapper, region: Region, index: int, channels: int) -> list[Node]:
    """The pools of bits behind a layer's threshold; a Mul by ±1 before one says where to AND."""
    nodes: list[Node] = []
    number = 0
    for section, pool in zip(region.sections, region.pools, strict=False):
        if pool.op_type not in MAX_POOLS:
            continue
        flips = np.zeros(channels, np.bool_)
        behind = [node.op_type for node in section]
        start = behind.index("MultiThreshold") + 1 if "MultiThreshold" in behind else 0
        if number and behind[:1] == ["Mul"]:
            previous = nodes[-1]
            assert isinstance(previous, MaxPool) and previous.conjunction is not None
            start = int(previous.conjunction.any())
        for node in section[start:]:
            if node.op_type == "Mul":
                flips = model.get_initializer(node.input[1]).reshape(-1) < 0
        suffix = f"_{number}" if number else ""
        nodes.append(
            MaxPool(name=f"pool_{index}{suffix}", window=window_of(model, pool), conjunction=flips)
        )
        number += 1
    return nodes


def _signs(model: ModelWrapper, nodes: tuple[Any, ...], size: int) -> NDArray[np.bool_]:
    """Where the Mul before the first MultiThreshold multiplies by −1."""
    for node in nodes:
        if node.op_type == "MultiThreshold":
            break
        if node.op_type == "Mul":
            flipped: NDArray[np.bool_] = model.get_initializer(node.input[1]).reshape(-1) < 0
            return flipped
    return np.zeros(size, np.bool_)


def _rows(model: ModelWrapper, nodes: tuple[Any, ...]) -> NDArray[np.float32]:
    node = next(node for node in nodes if node.op_type == "MultiThreshold")
    rows: NDArray[np.float32] = model.get_initializer(node.input[1])
    return rows


def _threshold(
    model: ModelWrapper, chain: Chain, index: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """bit = (accumulator or sum >= threshold) ^ invert."""
    nodes = tuple(chain.regions[index])
    rows = _rows(model, nodes).reshape(-1).astype(np.int64)
    invert = _signs(model, nodes, len(rows))
    _, reach = probe_of(model, chain, index, {})
    return np.where(invert, reach.step - rows, rows), invert


def _encoding(
    model: ModelWrapper, chain: Chain, name: str | None
) -> ThresholdEncoding | IntegerEncoding:
    rows = _rows(model, chain.input)
    shape = tuple(model.get_tensor_shape(chain.source)[1:])
    given = np.arange(int(np.prod(shape)))
    for node in chain.input:
        if node.op_type == "Gather":
            given = model.get_initializer(node.input[1])
    entry = model.get_tensor_shape(chain.encoded)
    # From the graph's order of elements to the stream's.
    order = np.arange(len(given))
    output_shape: tuple[int, ...] = (len(given),)
    if chain.layers[0].op_type == "Conv" or chain.input_pools:
        _, channels, height, width = entry
        order = order.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)
        output_shape = (height, width, channels)
    source: NDArray[np.int32] = given[order].astype(np.int32)
    kind = model.get_tensor_datatype(chain.encoded)
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
    invert = _signs(model, chain.input, len(rows))
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


def _table(model: ModelWrapper, chain: Chain, classify: bool) -> OutputTable:
    layer, region = chain.layers[-1], chain.regions[-1]
    for pool in region.pools:
        if pool.op_type in MAX_POOLS:
            raise LoweringError(
                f"{called(pool)}: a maximum of the outputs cannot be lowered",
                remedy="end in a sum or an average over the pixels",
            )
    # A Sign in the tail may give 0: the table holds floats.
    probe, reach = probe_of(model, chain, len(chain.layers) - 1, {}, table=True)
    tensor = layer.output[0]
    layout = probe.layouts[chain.result]
    if layout.at.size != layout.channels:
        raise LoweringError(
            f"{called(layer)}: gives {layout.at.size // layout.channels} pixels of"
            f" {layout.channels} channels, wanted one value per class",
            remedy="sum or average over the pixels at the end",
        )
    parts = [
        made[chain.result].reshape(rows, -1)
        for _, rows, _, made in chunks(probe, tensor, reach.values)
    ]
    values = np.concatenate(parts).T
    if values.dtype != np.float32 or not np.isfinite(values).all():
        tail = tuple(region)
        last = called(tail[-1] if tail else layer)
        what = values.dtype if values.dtype != np.float32 else "NaN or infinity"
        raise LoweringError(
            f"{last}: the graph's output is {what}, wanted finite float32",
            remedy="let the graph end in float logits, or in the classes by ArgMax or TopK",
        )
    if chain.softmax is not None and chain.k > 1 and not _softmax_keeps_order(values):
        raise LoweringError(
            f"{called(chain.softmax)}: can round different logits to one value, and then the top"
            f" {chain.k} are others",
            remedy="take the TopK of the logits",
        )
    classes = classify or chain.top_k is not None
    return OutputTable(values=values, classes=classes, low=-reach.limit, step=reach.step, k=chain.k)
