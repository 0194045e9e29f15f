"""A Dataflow as a FINN-ONNX graph: what the host computes, integer layers, and the float tail.

Fully connected chains are XNOR-popcounts of BINARY; whatever has images or branches is a network of
±1 and integers, channels last: windows are Im2Col, whose order of weights is the Dataflow's. Where
QONNX has no such node (groups, sums, pools that are dilated or padded unevenly), a Conv or MaxPool
stands between Transposes. Inverted channels become flipped weights. The float tail is the graph's
own: a Dataflow has a table of it only.
"""

import dataclasses
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
    LutLayer,
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
        xnor=structure.is_chain and not structure.has_images and _has_only_signs(dataflow),
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
        self._readers: dict[str, list[Node]] = {}
        for node in self.dataflow.nodes:
            for name in self._sources[node.name]:
                self._readers.setdefault(name, []).append(node)

    def encode(self, source: str) -> None:
        """What the host computes: each element of the stream, compared."""
        encoding = self.dataflow.input
        tensor = source
        self.shapes[source] = [1, *encoding.input_shape]
        self.channels_first.add(source)
        shape, flat = [1, *encoding.output_shape], [1, encoding.features]
        if len(encoding.input_shape) > 1:
            tensor = self.add("Flatten", [tensor], "encode_flatten", [1, encoding.elements], axis=1)
        if not np.array_equal(encoding.source, np.arange(encoding.elements)):
            indices = encoding.source.astype(np.int64)
            tensor = self.add("Gather", [tensor, indices], "encode_gather", flat, axis=1)
        if isinstance(encoding, ThresholdEncoding):
            threshold, invert = encoding.threshold, encoding.invert
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
                made = self._bits(self._flipped(node, tensor), rows, name)
            case MultiThreshold():
                reversed_rows = 1 - node.thresholds[:, ::-1]
                rows = np.where(node.invert[:, None], reversed_rows, node.thresholds)
                flipped = self._flipped(node, tensor)
                if _is_binariser(node):
                    made = self._bits(flipped, rows[:, 0], name)
                else:
                    made = self._levels(flipped, rows, name, node.low, str(node.element))
            case MaxPool():
                made = self._max_pool(node, tensor, shape)
            case SumPool():
                made = self._sum_pool(node, tensor)
            case Add():
                scaled = [
                    self._factor(one, factor, f"{name}_factor_{place}")
                    for place, (one, factor) in enumerate(zip(tensors, node.factors, strict=True))
                ]
                made = self.add("Add", scaled, name, shape)
            case Concat():
                made = self.add("Concat", tensors, name, shape, axis=len(shape) - 1)
                if all(self.kinds[one] == "BIPOLAR" for one in tensors):
                    self.kinds[made] = "BIPOLAR"
            case PadChannels():
                sizes = [0, 0, 0, node.before, 0, 0, 0, node.after]
                made = self.pad(tensor, sizes, 0.0, name, shape)
            case Crop():
                made = self.crop(tensor, (node.top, node.left), name, shape)
            case Flatten():
                made = self.reshape(tensor, shape, name)
            case LutLayer():
                made = self.add("LutLayer", [tensor, node.wiring, node.tables], name, shape)
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
        todo += [(step.op.value, step.value, step.what) for step in steps]
        is_map = len(self.shapes[tensor]) == 4
        if not is_map and shape != self.shapes[tensor]:
            todo.append(("Reshape", np.array(shape, np.int64), "reshape"))
        if not todo and not is_map:
            todo = [("Identity", None, "sum")]
        for number, (op, value, what) in enumerate(todo):
            inputs: list[str | Array] = [tensor] if value is None else [tensor, value]
            made = shape if op == "Reshape" else self.shapes[tensor]
            out = tail if number == len(todo) - 1 and not is_map else None
            tensor = self.add(op, inputs, f"{last}_{what}", made, out=out)
        if is_map:
            self.transpose(tensor, f"{last}_first", out=tail)

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
        signs = node.values.astype(np.float32)
        if (inverts := self._inverts_behind(node)) is not None:
            signs = np.where(inverts[:, None], -signs, signs)
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
        dots = 2 * rows - node.sums
        if node.border is None:
            return dots
        window = self._windows[source].window
        height, width, _ = self._streams[self._sources[source][0]].shape
        border = Border.of(window, signs, height, width)
        assert border is not None
        # All classes come of one threshold: it is the least of theirs, those left out that no sum
        # in the class can reach.
        never = rows > node.sums
        dots = dots + border.correction
        least = np.where(never, np.iinfo(np.int64).max, dots).min(axis=0)
        beyond = (dots - 1).max(axis=0)
        return np.asarray(np.where(never.all(axis=0), beyond, least), np.int64)

    def _inverts_behind(self, node: XnorMvu | IntegerMvu) -> NDArray[np.bool_] | None:
        """The inverted channels of the thresholds that alone read a layer's sums."""
        readers = self._readers.get(node.name, [])
        match readers:
            case [Threshold() | MultiThreshold() as reader]:
                return reader.invert
            case _:
                return None

    def _flipped(self, node: Threshold | MultiThreshold, tensor: str) -> str:
        """What inverted thresholds compare: a layer has flipped its weights already."""
        (source,) = self._sources[node.name]
        before = self._by_name.get(source)
        if isinstance(before, XnorMvu | IntegerMvu) and len(self._readers[source]) == 1:
            return tensor
        return self.flip(tensor, node.invert, f"{node.name}_flip")

    def _dots(
        self, node: XnorMvu | IntegerMvu, source: str, tensor: str, signs: NDArray[np.float32]
    ) -> str:
        slider = self._windows.get(source)
        window = Window(kernel=(1, 1)) if slider is None else slider.window
        if slider is not None and any(window.padding):
            exact = isinstance(node, XnorMvu) and node.border is not None
            fill = 2 * slider.fill - 1 if isinstance(node, XnorMvu) else slider.fill
            if exact:  # an Im2Col checks that its input's type has what it pads with
                self.kinds[tensor] = "TERNARY"
            elif fill:
                tensor = self._padded(tensor, window, fill, f"{node.name}_pad")
                window = dataclasses.replace(window, padding=(0, 0, 0, 0))
        vector = len(self.shapes[tensor]) == 2 and node.groups > 1
        if vector:
            tensor = self.reshape(tensor, [1, 1, 1, self.shapes[tensor][1]], f"{node.name}_pixel")
        if len(self.shapes[tensor]) == 4 and (node.groups > 1 or self._is_thin(tensor, window)):
            kernel = signs.reshape(len(signs), *window.kernel, -1)
            kind = _weight_type(node)
            made = self.convolution(tensor, kernel, kind, window, node.groups, node.name)
            if vector:
                made = self.reshape(made, [1, node.mh], f"{node.name}_vector")
        else:
            if window != Window(kernel=(1, 1)):
                tensor = self.windows(tensor, window, f"{node.name}_windows")
            made = self._product(node, tensor, signs)
        limit = node.mw
        if isinstance(node, IntegerMvu) and self.kinds[tensor] != "BIPOLAR":
            (before,) = self._sources[node.name]
            limit = node.accumulator_limit(self._streams[before].element)
        is_xnor = self.nodes[-1].op_type == "XnorPopcountMatMul"
        self.kinds[made] = type_of(0 if is_xnor else -limit - 1, limit)
        return made

    def _product(self, node: XnorMvu | IntegerMvu, tensor: str, signs: NDArray[np.float32]) -> str:
        is_xnor = self.xnor and isinstance(node, XnorMvu)
        weights = (signs.T + 1) / 2 if is_xnor else signs.T
        kind = "BINARY" if is_xnor else _weight_type(node)
        constant = self.constant(f"{node.name}_weights", weights, kind)
        shape = [*self.shapes[tensor][:-1], node.mh]
        op = "XnorPopcountMatMul" if is_xnor else "MatMul"
        return self.add(op, [tensor, constant], node.name, shape)

    def _is_thin(self, tensor: str, window: Window) -> bool:
        """Whether a map of one row or column has windows that QONNX's Im2Col refuses."""
        _, *sizes, _ = self.shapes[tensor]
        ends = zip(window.padding[:2], window.padding[2:], strict=True)
        return any(
            size == 1 and (taps > 1 or any(pads))
            for size, taps, pads in zip(sizes, window.kernel, ends, strict=True)
        )

    def _padded(self, tensor: str, window: Window, fill: int, name: str) -> str:
        top, left, bottom, right = window.padding
        _, height, width, channels = self.shapes[tensor]
        size = [1, height + top + bottom, width + left + right, channels]
        made = self.pad(tensor, [0, top, left, 0, 0, bottom, right, 0], float(fill), name, size)
        self.kinds[made] = self.kinds[tensor]
        return made

    def _max_pool(self, node: MaxPool, tensor: str, shape: list[int]) -> str:
        """OR is a maximum of ±1, AND one of the negated, negated."""
        flips = node.conjunction
        if flips is not None:
            tensor = self.flip(tensor, flips, f"{node.name}_flip")
        made = self.max_pool(tensor, node.window, node.name, shape)
        return made if flips is None else self.flip(made, flips, f"{node.name}_unflip")

    def _sum_pool(self, node: SumPool, tensor: str) -> str:
        """A depthwise Conv by ones: exact on integers. Of all pixels, a ReduceSum."""
        _, *sizes, channels = self.shapes[tensor]
        if node.window == Window(kernel=(sizes[0], sizes[1])):
            return self.sum_of_pixels(tensor, node.name)
        ones = np.ones((channels, *node.window.kernel, 1), np.float32)
        return self.convolution(tensor, ones, "BIPOLAR", node.window, channels, node.name)

    def _strided(self, source: str, tensor: str) -> str:
        """A window of one tap that no layer reads is a choice of pixels."""
        slider = self._windows.pop(source, None)
        if slider is None:
            return tensor
        made = self.windows(tensor, slider.window, source)
        self._made[source] = made
        return made


def _weight_type(node: XnorMvu | IntegerMvu) -> str:
    if node.magnitude_bits < 2:
        return "BIPOLAR" if node.magnitudes is None else "TERNARY"
    return type_of(int(node.values.min()), int(node.values.max()))


def _has_only_signs(dataflow: Dataflow) -> bool:
    """Whether every layer is a matrix of ±1."""
    tables = any(isinstance(node, LutLayer) for node in dataflow.nodes)
    return not tables and all(mvu.magnitudes is None for mvu in dataflow.mvus)


def _is_binariser(node: MultiThreshold) -> bool:
    """Whether it steps from −1 to 1 at once, for a join that takes integers."""
    rows = node.thresholds
    return node.low == -1 and rows.shape[1] == 2 and bool((rows[:, 0] == rows[:, 1]).all())


def _one(value: int) -> NDArray[np.float32]:
    return np.array([value], np.float32)


def _shape(stream: Stream) -> list[int]:
    """As the graph has it: with a batch of 1."""
    return [1, *stream.shape]
