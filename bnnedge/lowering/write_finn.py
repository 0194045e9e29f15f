"""A Dataflow as a FINN-ONNX graph: what the host computes, integer layers, and the float tail.

Fully connected chains are XNOR-popcounts of BINARY; whatever has images or branches is a network of
±1 and integers, channels first. Inverted channels become flipped weights. The float tail is the
graph's own: a Dataflow has a table of it only.
"""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import (
    INPUT,
    Add,
    ArgMax,
    Concat,
    Crop,
    Dataflow,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    MaxPool,
    MultiThreshold,
    Node,
    PadChannels,
    ScoreTable,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    ThresholdEncoding,
    Window,
    XnorMvu,
)
from bnnedge.lowering.border import Border
from bnnedge.lowering.finn_graph import FinnGraph, type_of
from bnnedge.lowering.indexed import Array, IndexedModel
from bnnedge.lowering.layers import Step
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.windows import pool_attributes, window_attributes


def write_finn(
    dataflow: Dataflow, model: IndexedModel, structure: Structure, steps: tuple[Step, ...]
) -> ModelWrapper:
    """Write a Dataflow as a graph for FINN.

    Args:
        dataflow: of `model`.
        model: whose float tail is taken.
        structure: of it.
        steps: what it does with the last layer's sums first.
    """
    writer = _Writer(
        dataflow=dataflow,
        opset=model.opset,
        xnor=structure.is_chain and not structure.has_images,
        taken={
            name
            for node in (*structure.tail, *structure.ending)
            for name in (node.name, *node.input, *node.output)
        }
        | {structure.source, structure.layers[-1].output[0]},
    )
    writer.encode(structure.source)
    last = dataflow.mvus[-1].name
    for node in dataflow.nodes:
        writer.write(node)
        if node.name == last:
            break
    tail = structure.layers[-1].output[0]
    writer.end(last, steps, tail, model.shape(tail))
    nodes = [*structure.tail, *structure.ending]
    return writer.model(structure.source, nodes, model)


class _Writer(FinnGraph):
    """A Dataflow on its way into a graph.

    Args:
        dataflow: what is written.
        opset: ONNX's, of the graph.
        xnor: whether bits are BINARY, and layers of them popcounts.
        taken: names that the tail has.
    """

    def __init__(self, *, dataflow: Dataflow, opset: int, xnor: bool, taken: set[str]) -> None:
        super().__init__(opset, taken)
        self.dataflow, self.xnor = dataflow, xnor
        self._made: dict[str, str] = {}  # the tensor of every stream
        self._windows: dict[str, SlidingWindow] = {}  # not written yet
        self._streams, self._sources = self.dataflow.streams(), self.dataflow.sources
        self._by_name = {node.name: node for node in self.dataflow.nodes}

    def encode(self, source: str) -> None:
        """What the host computes: each element of the stream, compared."""
        encoding = self.dataflow.input
        tensor = source
        self.shapes[source] = [1, *encoding.input_shape]
        order, shape = np.arange(encoding.features), [1, encoding.features]
        if len(encoding.output_shape) == 3:
            height, width, channels = encoding.output_shape
            order = order.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
            shape = [1, channels, height, width]
        flat = [1, encoding.features]
        if len(encoding.input_shape) > 1:
            tensor = self.add("Flatten", [tensor], "encode_flatten", [1, encoding.elements], axis=1)
        if not np.array_equal(encoding.source[order], np.arange(encoding.elements)):
            indices = encoding.source[order].astype(np.int64)
            tensor = self.add("Gather", [tensor, indices], "encode_gather", flat, axis=1)
        if isinstance(encoding, ThresholdEncoding):
            threshold, invert = encoding.threshold[order], encoding.invert[order]
            # x < t is −x >= the float after −t; of −inf it is "never".
            rows = np.where(invert, np.nextafter(-threshold, np.float32(np.inf)), threshold)
            tensor = self.flip(tensor, invert, "encode_flip")
            tensor = self._bits(tensor, rows, "encode_threshold")
        if shape != flat:
            tensor = self.reshape(tensor, shape, "encode_reshape")
        if isinstance(encoding, IntegerEncoding):
            low, kind = encoding.element.smallest, str(encoding.element)
            tensor = self._levels(tensor, encoding.steps, "encode_steps", low, kind)
        self._made[INPUT] = tensor

    def write(self, node: Node) -> None:
        """Append a node, and keep what it makes."""
        sources = self._sources[node.name]
        if isinstance(node, SlidingWindow):
            self._windows[node.name] = node
            self._made[node.name] = self._strided(sources[0], self._made[sources[0]])
            return
        tensors = [self._made[name] for name in sources]
        if not isinstance(node, XnorMvu | IntegerMvu):
            tensors = [self._strided(*pair) for pair in zip(sources, tensors, strict=True)]
        tensor, name = tensors[0], node.name
        shape = _shape(self._streams[name])
        match node:
            case XnorMvu() | IntegerMvu():
                made = self._layer(node, sources[0], tensor)
            case Threshold():
                # x < t is −x >= 1 − t
                rows = np.where(node.invert, 1 - node.thresholds, node.thresholds)
                made = self._bits(self.flip(tensor, node.invert, f"{name}_flip"), rows, name)
            case MultiThreshold():
                reversed_rows = 1 - node.thresholds[:, ::-1]
                rows = np.where(node.invert[:, None], reversed_rows, node.thresholds)
                flipped = self.flip(tensor, node.invert, f"{name}_flip")
                made = self._levels(flipped, rows, name, node.low, str(node.element))
            case MaxPool():
                made = self._max_pool(node, tensor, shape)
            case SumPool():
                made = self._sum_pool(node, tensor, shape)
            case Add():
                scaled = [
                    self._factor(one, factor, f"{name}_factor_{place}")
                    for place, (one, factor) in enumerate(zip(tensors, node.factors, strict=True))
                ]
                made = self.add("Add", scaled, name, shape)
            case Concat():
                made = self.add("Concat", tensors, name, shape, axis=1)
            case PadChannels():
                sizes = [0, node.before, 0, 0, 0, node.after, 0, 0]
                made = self.pad(tensor, sizes, 0.0, name, shape)
            case Crop():
                made = self.slice(tensor, (node.top, node.left), (1, 1), name, shape)
            case Flatten():
                made = self.reshape(tensor, [1, int(np.prod(shape))], name)
            case ScoreTable() | ArgMax():
                raise AssertionError("the tail finds the classes")
            case _:
                assert_never(node)
        self._made[name] = made
        if made not in self.kinds:
            self.kinds[made] = self._kind(self._streams[name])

    def end(self, last: str, steps: tuple[Step, ...], tail: str, shape: list[int]) -> None:
        """What the graph does with the last sums before anything else; makes the tensor `tail`."""
        tensor, unit = self._made[last], self.dataflow.mvus[-1]
        todo: list[tuple[str, Array | None, str]] = []
        if self.nodes[-1].op_type == "XnorPopcountMatMul":  # 2p − MW
            todo = [
                ("Mul", np.array([2], np.float32), "double"),
                ("Add", np.array([-unit.mw], np.float32), "centre"),
            ]
        rank = self.shapes[tensor]
        for step in steps:
            factor = step.value.reshape(-1, 1, 1) if len(rank) == 4 else step.value
            todo.append((step.op.value, factor, step.what))
        if rank != shape:
            todo.append(("Reshape", np.array(shape, np.int64), "reshape"))
        if not todo:
            todo = [("Identity", None, "sum")]
        for number, (op, value, what) in enumerate(todo):
            inputs: list[str | Array] = [tensor] if value is None else [tensor, value]
            made = shape if op == "Reshape" else self.shapes[tensor]
            out = tail if number == len(todo) - 1 else None
            tensor = self.add(op, inputs, f"{last}_{what}", made, out=out)

    def _kind(self, stream: Stream) -> str:
        return "BINARY" if stream.element.bipolar and self.xnor else str(stream.element)

    def _factor(self, tensor: str, factor: int, name: str) -> str:
        if factor == 1:
            return tensor
        made = self.add("Mul", [tensor, _one(factor)], name, self.shapes[tensor])
        low, high = (DataType[self.kinds[tensor]].min(), DataType[self.kinds[tensor]].max())
        ends = sorted((factor * int(low), factor * int(high)))
        self.kinds[made] = type_of(*ends)
        return made

    def _bits(self, tensor: str, rows: Array, name: str) -> str:
        """A bit where `tensor` reaches its channel's threshold."""
        scale, low, kind = (1.0, 0.0, "BINARY") if self.xnor else (2.0, -1.0, "BIPOLAR")
        return self.threshold(tensor, rows.reshape(-1, 1), name, kind, scale, low)

    def _levels(self, tensor: str, rows: Array, name: str, low: int, kind: str) -> str:
        """`low` + how many of its channel's thresholds `tensor` reaches."""
        return self.threshold(tensor, rows, name, kind, 1.0, float(low))

    def _layer(self, node: XnorMvu | IntegerMvu, source: str, tensor: str) -> str:
        """A layer, and the thresholds behind it; inverted rows are those of flipped weights."""
        signs = np.where(node.weights, np.float32(1), np.float32(-1))
        rows = self._accumulators(node, source, signs)
        if rows is not None and node.invert is not None:
            signs = np.where(node.invert[:, None], -signs, signs)
            rows = np.where(node.invert, 1 - rows, rows)
        dots = self._dots(node, source, tensor, signs)
        if rows is None:
            return dots
        if self.nodes[-1].op_type == "XnorPopcountMatMul":  # 2p − MW >= t
            rows = -((-rows - node.mw) // 2)
            rows = np.clip(rows, 0, node.mw + 1)
        return self._bits(dots, rows, f"{node.name}_threshold")

    def _accumulators(
        self, node: XnorMvu | IntegerMvu, source: str, signs: NDArray[np.float32]
    ) -> NDArray[np.int64] | None:
        """Thresholds (MH,) of the graph's own sums."""
        if node.thresholds is None:
            return None
        rows = node.thresholds.astype(np.int64)
        if isinstance(node, IntegerMvu):
            return rows
        dots = 2 * rows - node.mw
        if node.border is None:
            return dots
        window = self._windows[source].window
        height, width, _ = self._streams[self._sources[source][0]].shape
        border = Border.of(window, signs, height, width)
        assert border is not None
        # All classes come of one threshold: it is the least of theirs, those left out that no sum
        # in the class can reach.
        never = rows > node.mw
        dots = dots + border.correction
        least = np.where(never, np.iinfo(np.int64).max, dots).min(axis=0)
        beyond = (dots - 1).max(axis=0)
        return np.asarray(np.where(never.all(axis=0), beyond, least), np.int64)

    def _dots(
        self, node: XnorMvu | IntegerMvu, source: str, tensor: str, signs: NDArray[np.float32]
    ) -> str:
        shape = self.shapes[tensor]
        slider = self._windows.get(source)
        if len(shape) == 4:
            made = self._convolved(node, slider, tensor, signs)
        else:
            if isinstance(self._by_name.get(source), Flatten):
                signs = self._as_planes(signs, source)
            is_xnor = self.xnor and isinstance(node, XnorMvu)
            weights = (signs.T + 1) / 2 if is_xnor else signs.T
            kind = "BINARY" if is_xnor else "BIPOLAR"
            constant = self.constant(f"{node.name}_weights", weights, kind)
            op = "XnorPopcountMatMul" if is_xnor else "MatMul"
            made = self.add(op, [tensor, constant], node.name, [1, node.mh])
            limit = node.mw
            if isinstance(node, IntegerMvu):
                limit = node.accumulator_limit(self._streams[source].element)
            self.kinds[made] = type_of(0 if is_xnor else -limit - 1, limit)
        return made

    def _convolved(
        self,
        node: XnorMvu | IntegerMvu,
        slider: SlidingWindow | None,
        tensor: str,
        signs: NDArray[np.float32],
    ) -> str:
        window = Window(kernel=(1, 1)) if slider is None else slider.window
        _, channels, height, width = self.shapes[tensor]
        kernel = signs.reshape(len(signs), *window.kernel, -1).transpose(0, 3, 1, 2)
        out = [1, node.mh, *window.output_size(height, width)]
        exact = isinstance(node, XnorMvu) and node.border is not None
        if slider is not None and any(window.padding) and not exact:
            fill = float(slider.fill)
            if isinstance(node, XnorMvu):
                fill = 2 * fill - 1
            if fill:
                top, left, bottom, right = window.padding
                size = [1, channels, height + top + bottom, width + left + right]
                sizes = [0, 0, top, left, 0, 0, bottom, right]
                kind = self.kinds[tensor]
                tensor = self.pad(tensor, sizes, fill, f"{node.name}_pad", size)
                self.kinds[tensor] = kind
                window = Window(
                    kernel=window.kernel, stride=window.stride, dilation=window.dilation
                )
        weights = self.constant(f"{node.name}_weights", kernel, "BIPOLAR")
        made = self.add(
            "Conv",
            [tensor, weights],
            node.name,
            out,
            group=node.groups,
            **window_attributes(window),
        )
        limit = node.mw
        if isinstance(node, IntegerMvu):
            source = self._sources[node.name][0]
            limit = node.accumulator_limit(self._streams[source].element)
        self.kinds[made] = type_of(-limit - 1, limit)
        return made

    def _as_planes(self, signs: NDArray[np.float32], source: str) -> NDArray[np.float32]:
        """Columns in the order (C, H, W) of what a Flatten makes here."""
        height, width, channels = self._streams[self._sources[source][0]].shape
        planes = signs.reshape(len(signs), height, width, channels).transpose(0, 3, 1, 2)
        return planes.reshape(len(signs), -1)

    def _max_pool(self, node: MaxPool, tensor: str, shape: list[int]) -> str:
        """OR is a maximum of ±1, AND one of the negated, negated."""
        flips = node.conjunction
        if flips is not None:
            tensor = self.flip(tensor, flips, f"{node.name}_flip")
        made = self.add("MaxPool", [tensor], node.name, shape, **pool_attributes(node.window))
        if tensor in self.kinds:
            self.kinds[made] = self.kinds[tensor]
        return made if flips is None else self.flip(made, flips, f"{node.name}_unflip")

    def _sum_pool(self, node: SumPool, tensor: str, shape: list[int]) -> str:
        """A depthwise Conv by ones: exact on integers."""
        channels = shape[1]
        ones = np.ones((channels, 1, *node.window.kernel), np.float32)
        attributes = window_attributes(node.window)
        return self.add("Conv", [tensor, ones], node.name, shape, group=channels, **attributes)

    def _strided(self, source: str, tensor: str) -> str:
        """A window of one tap that no layer reads is a choice of pixels."""
        slider = self._windows.pop(source, None)
        if slider is None:
            return tensor
        shape = _shape(self._streams[source])
        made = self.slice(tensor, (0, 0), slider.window.stride, source, shape)
        self._made[source] = made
        self.kinds[made] = self.kinds[tensor]
        return made


def _one(value: int) -> NDArray[np.float32]:
    return np.array([value], np.float32)


def _shape(stream: Stream) -> list[int]:
    """As the graph has it: with a batch of 1, and channels first."""
    *pixels, channels = stream.shape
    return [1, channels, *pixels]
