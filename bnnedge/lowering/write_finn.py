"""A Dataflow as a FINN-ONNX graph: what the host computes, integer layers, and the float tail.

Fully connected chains are XNOR-popcounts of BINARY; whatever has images or branches is a network of
±1 and integers, channels first. Inverted channels become flipped weights. The float tail is the
graph's own: a Dataflow has a table of it only.
"""

from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
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
from bnnedge.lowering.execute import QONNX_DOMAIN
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.layers import Step
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.windows import pool_attributes, window_attributes

_QONNX = {"MultiThreshold", "XnorPopcountMatMul"}
_ATTRIBUTES_BEFORE = 11  # the opset since which a Pad, and 10 a Slice, takes inputs


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
    has_images = any(layer.op_type == "Conv" for layer in structure.layers)
    writer = _Writer(
        dataflow=dataflow,
        opset=model.model.opset_import[0].version,
        xnor=structure.is_chain and not has_images,
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
    writer.end(last, steps, tail, model.get_tensor_shape(tail))
    nodes = [*structure.tail, *structure.ending]
    return writer.model(structure.source, nodes, model)


@dataclass(kw_only=True, eq=False)
class _Writer:
    """A graph under way.

    Attributes:
        dataflow: what is written.
        opset: ONNX's, of the graph.
        xnor: whether bits are BINARY, and layers of them popcounts.
        taken: names that the tail has.
    """

    dataflow: Dataflow
    opset: int
    xnor: bool
    taken: set[str]
    _nodes: list[Any] = field(default_factory=list)
    _constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    _shapes: dict[str, list[int]] = field(default_factory=dict)
    _kinds: dict[str, str] = field(default_factory=dict)
    _made: dict[str, str] = field(default_factory=dict)  # the tensor of every stream
    _windows: dict[str, SlidingWindow] = field(default_factory=dict)  # not written yet

    def __post_init__(self) -> None:
        self._streams, self._sources = self.dataflow.streams(), self.dataflow.sources
        self._by_name = {node.name: node for node in self.dataflow.nodes}

    def encode(self, source: str) -> None:
        """What the host computes: each element of the stream, compared."""
        encoding = self.dataflow.input
        tensor = source
        self._shapes[source] = [1, *encoding.input_shape]
        order, shape = np.arange(encoding.features), [1, encoding.features]
        if len(encoding.output_shape) == 3:
            height, width, channels = encoding.output_shape
            order = order.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
            shape = [1, channels, height, width]
        flat = [1, encoding.features]
        if len(encoding.input_shape) > 1:
            tensor = self._add(
                "Flatten", [tensor], "encode_flatten", [1, encoding.elements], axis=1
            )
        if not np.array_equal(encoding.source[order], np.arange(encoding.elements)):
            indices = encoding.source[order].astype(np.int64)
            tensor = self._add("Gather", [tensor, indices], "encode_gather", flat, axis=1)
        if isinstance(encoding, ThresholdEncoding):
            threshold, invert = encoding.threshold[order], encoding.invert[order]
            # x < t is −x >= the float after −t; of −inf it is "never".
            rows = np.where(invert, np.nextafter(-threshold, np.float32(np.inf)), threshold)
            tensor = self._flip(tensor, invert, "encode_flip")
            tensor = self._bits(tensor, rows, "encode_threshold")
        if shape != flat:
            tensor = self._reshape(tensor, shape, "encode_reshape")
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
                made = self._bits(self._flip(tensor, node.invert, f"{name}_flip"), rows, name)
            case MultiThreshold():
                reversed_rows = 1 - node.thresholds[:, ::-1]
                rows = np.where(node.invert[:, None], reversed_rows, node.thresholds)
                flipped = self._flip(tensor, node.invert, f"{name}_flip")
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
                made = self._add("Add", scaled, name, shape)
            case Concat():
                made = self._add("Concat", tensors, name, shape, axis=1)
            case PadChannels():
                sizes = [0, node.before, 0, 0, 0, node.after, 0, 0]
                made = self._pad(tensor, sizes, 0.0, name, shape)
            case Crop():
                made = self._slice(tensor, (node.top, node.left), (1, 1), name, shape)
            case Flatten():
                made = self._reshape(tensor, [1, int(np.prod(shape))], name)
            case ScoreTable() | ArgMax():
                raise AssertionError("the tail finds the classes")
            case _:
                assert_never(node)
        self._made[name] = made
        if made not in self._kinds:
            self._kinds[made] = self._kind(self._streams[name])

    def end(self, last: str, steps: tuple[Step, ...], tail: str, shape: list[int]) -> None:
        """What the graph does with the last sums before anything else; makes the tensor `tail`."""
        tensor, unit = self._made[last], self.dataflow.mvus[-1]
        todo: list[tuple[str, Any, str]] = []
        if self._nodes[-1].op_type == "XnorPopcountMatMul":  # 2p − MW
            todo = [
                ("Mul", np.array([2], np.float32), "double"),
                ("Add", np.array([-unit.mw], np.float32), "centre"),
            ]
        rank = self._shapes[tensor]
        for step in steps:
            value = step.value.reshape(-1, 1, 1) if len(rank) == 4 else step.value
            todo.append((step.op.value, value, step.what))
        if rank != shape:
            todo.append(("Reshape", np.array(shape, np.int64), "reshape"))
        if not todo:
            todo = [("Identity", None, "sum")]
        for number, (op, value, what) in enumerate(todo):
            inputs = [tensor] if value is None else [tensor, value]
            made = shape if op == "Reshape" else self._shapes[tensor]
            out = tail if number == len(todo) - 1 else None
            tensor = self._add(op, inputs, f"{last}_{what}", made, out=out)

    def model(self, source: str, tail: list[Any], original: IndexedModel) -> ModelWrapper:
        """The graph, with the `tail` nodes of the original."""
        graph = original.graph
        needed = {name for node in tail for name in node.input}
        nodes = [*self._nodes, *tail]
        made = {name for node in tail for name in node.output if name}
        constants = [onnx.numpy_helper.from_array(a, n) for n, a in self._constants.items()]
        constants += [tensor for tensor in graph.initializer if tensor.name in needed]
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in self._shapes.items()
            if name not in (source, graph.output[0].name)
        ]
        values += [value for value in graph.value_info if value.name in made]
        entry = helper.make_tensor_value_info(source, TensorProto.FLOAT, self._shapes[source])
        written = helper.make_graph(nodes, graph.name, [entry], [graph.output[0]], constants)
        written.value_info.extend(values)
        for name in {**self._shapes, **self._kinds}:
            written.quantization_annotation.append(self._annotation(name))
        model = helper.make_model(
            written,
            opset_imports=list(original.model.opset_import),
            ir_version=original.model.ir_version,
        )
        return ModelWrapper(model, fix_missing_initializer_valueinfo=False)

    def _annotation(self, name: str) -> onnx.TensorAnnotation:
        annotation = onnx.TensorAnnotation(tensor_name=name)
        layout = {2: ["N", "C"], 4: ["N", "C", "H", "W"]}.get(len(self._shapes.get(name, ())))
        for key, value in (("finn_datatype", self._kinds.get(name)), ("tensor_layout", layout)):
            if value is not None:
                entry = onnx.StringStringEntryProto(key=key, value=str(value))
                annotation.quant_parameter_tensor_names.append(entry)
        return annotation

    def _new(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _constant(self, name: str, values: NDArray[Any], kind: str | None = None) -> str:
        name = self._new(name)
        self._constants[name] = np.ascontiguousarray(values)
        if kind is not None:
            self._kinds[name] = kind
        return name

    def _add(
        self,
        op: str,
        inputs: list[Any],
        name: str,
        shape: list[int],
        *,
        out: str | None = None,
        **attributes: Any,
    ) -> str:
        """Append a node; inputs that are arrays become constants. Returns what it makes."""
        out = out or self._new(f"{name}_out")
        names = [
            one if isinstance(one, str) else self._constant(f"{name}_{place}", one)
            for place, one in enumerate(inputs)
        ]
        domain = QONNX_DOMAIN if op in _QONNX else ""
        self._nodes.append(
            helper.make_node(op, names, [out], name=self._new(name), domain=domain, **attributes)
        )
        self._shapes[out] = list(shape)
        return out

    def _kind(self, stream: Stream) -> str:
        return "BINARY" if stream.element.bipolar and self.xnor else str(stream.element)

    def _reshape(self, tensor: str, shape: list[int], name: str) -> str:
        made = self._add("Reshape", [tensor, np.array(shape, np.int64)], name, shape)
        if tensor in self._kinds:
            self._kinds[made] = self._kinds[tensor]
        return made

    def _flip(self, tensor: str, flips: NDArray[np.bool_], name: str) -> str:
        """Times −1 where `flips`."""
        if not flips.any():
            return tensor
        rank = len(self._shapes[tensor])
        signs = np.where(flips, np.float32(-1), np.float32(1))
        signs = signs.reshape((1, -1, 1, 1) if rank == 4 else (1, -1))
        constant = self._constant(f"{name}_signs", signs, "BIPOLAR")
        made = self._add("Mul", [tensor, constant], name, self._shapes[tensor])
        kind = self._kinds.get(tensor)
        if kind is not None:
            self._kinds[made] = kind
        return made

    def _factor(self, tensor: str, factor: int, name: str) -> str:
        if factor == 1:
            return tensor
        made = self._add("Mul", [tensor, _one(factor)], name, self._shapes[tensor])
        low, high = (DataType[self._kinds[tensor]].min(), DataType[self._kinds[tensor]].max())
        ends = sorted((factor * int(low), factor * int(high)))
        self._kinds[made] = _type_of(*ends)
        return made

    def _bits(self, tensor: str, rows: NDArray[Any], name: str) -> str:
        """A bit where `tensor` reaches its channel's threshold."""
        scale, low, kind = (1.0, 0.0, "BINARY") if self.xnor else (2.0, -1.0, "BIPOLAR")
        return self._threshold(tensor, rows.reshape(-1, 1), name, kind, scale, low)

    def _levels(self, tensor: str, rows: NDArray[Any], name: str, low: int, kind: str) -> str:
        """`low` + how many of its channel's thresholds `tensor` reaches."""
        return self._threshold(tensor, rows, name, kind, 1.0, float(low))

    def _threshold(
        self, tensor: str, rows: NDArray[Any], name: str, kind: str, scale: float, low: float
    ) -> str:
        integers = rows.dtype != np.float32
        values = rows.astype(np.float32)
        span = _type_of(int(rows.min()), int(rows.max())) if integers else None
        made = self._add(
            "MultiThreshold",
            [tensor, self._constant(f"{name}_thresholds", values, span)],
            name,
            self._shapes[tensor],
            out_dtype=kind,
            out_scale=scale,
            out_bias=low,
            data_layout={2: "NC", 4: "NCHW"}[len(self._shapes[tensor])],
        )
        self._kinds[made] = kind
        return made

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
        if self._nodes[-1].op_type == "XnorPopcountMatMul":  # 2p − MW >= t
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
        shape = self._shapes[tensor]
        slider = self._windows.get(source)
        if len(shape) == 4:
            made = self._convolved(node, slider, tensor, signs)
        else:
            if isinstance(self._by_name.get(source), Flatten):
                signs = self._as_planes(signs, source)
            is_xnor = self.xnor and isinstance(node, XnorMvu)
            weights = (signs.T + 1) / 2 if is_xnor else signs.T
            kind = "BINARY" if is_xnor else "BIPOLAR"
            constant = self._constant(f"{node.name}_weights", weights, kind)
            op = "XnorPopcountMatMul" if is_xnor else "MatMul"
            made = self._add(op, [tensor, constant], node.name, [1, node.mh])
            limit = node.mw
            if isinstance(node, IntegerMvu):
                limit = node.accumulator_limit(self._streams[source].element)
            self._kinds[made] = _type_of(0 if is_xnor else -limit - 1, limit)
        return made

    def _convolved(
        self,
        node: XnorMvu | IntegerMvu,
        slider: SlidingWindow | None,
        tensor: str,
        signs: NDArray[np.float32],
    ) -> str:
        window = Window(kernel=(1, 1)) if slider is None else slider.window
        _, channels, height, width = self._shapes[tensor]
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
                kind = self._kinds[tensor]
                tensor = self._pad(tensor, sizes, fill, f"{node.name}_pad", size)
                self._kinds[tensor] = kind
                window = Window(
                    kernel=window.kernel, stride=window.stride, dilation=window.dilation
                )
        weights = self._constant(f"{node.name}_weights", kernel, "BIPOLAR")
        attributes = window_attributes(window) | {"group": node.groups}
        made = self._add("Conv", [tensor, weights], node.name, out, **attributes)
        limit = node.mw
        if isinstance(node, IntegerMvu):
            source = self._sources[node.name][0]
            limit = node.accumulator_limit(self._streams[source].element)
        self._kinds[made] = _type_of(-limit - 1, limit)
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
            tensor = self._flip(tensor, flips, f"{node.name}_flip")
        made = self._add("MaxPool", [tensor], node.name, shape, **pool_attributes(node.window))
        if tensor in self._kinds:
            self._kinds[made] = self._kinds[tensor]
        return made if flips is None else self._flip(made, flips, f"{node.name}_unflip")

    def _sum_pool(self, node: SumPool, tensor: str, shape: list[int]) -> str:
        """A depthwise Conv by ones: exact on integers."""
        channels = shape[1]
        ones = np.ones((channels, 1, *node.window.kernel), np.float32)
        attributes = window_attributes(node.window) | {"group": channels}
        return self._add("Conv", [tensor, ones], node.name, shape, **attributes)

    def _pad(self, tensor: str, sizes: list[int], fill: float, name: str, shape: list[int]) -> str:
        if self.opset < _ATTRIBUTES_BEFORE:
            return self._add("Pad", [tensor], name, shape, mode="constant", pads=sizes, value=fill)
        inputs = [tensor, np.array(sizes, np.int64), np.array(fill, np.float32)]
        return self._add("Pad", inputs, name, shape, mode="constant")

    def _strided(self, source: str, tensor: str) -> str:
        """A window of one tap that no layer reads is a choice of pixels."""
        slider = self._windows.pop(source, None)
        if slider is None:
            return tensor
        shape = _shape(self._streams[source])
        made = self._slice(tensor, (0, 0), slider.window.stride, source, shape)
        self._made[source] = made
        self._kinds[made] = self._kinds[tensor]
        return made

    def _slice(
        self,
        tensor: str,
        first: tuple[int, int],
        stride: tuple[int, int],
        name: str,
        shape: list[int],
    ) -> str:
        ends = self._shapes[tensor][2:]
        arrays = [np.array(one, np.int64) for one in (first, ends, (2, 3), stride)]
        if self.opset < _ATTRIBUTES_BEFORE - 1:
            starts = list(first)
            return self._add("Slice", [tensor], name, shape, starts=starts, ends=ends, axes=[2, 3])
        return self._add("Slice", [tensor, *arrays], name, shape)


def _one(value: int) -> NDArray[np.float32]:
    return np.array([value], np.float32)


def _shape(stream: Stream) -> list[int]:
    """As the graph has it: with a batch of 1, and channels first."""
    *pixels, channels = stream.shape
    return [1, channels, *pixels]


def _type_of(low: int, high: int) -> str:
    """QONNX's name for the narrowest integer type that holds both."""
    if low >= 0:
        return str(DataType.get_smallest_possible(max(high, 1)).name)
    return str(DataType.get_smallest_possible(min(low, -high - 1)).name)
