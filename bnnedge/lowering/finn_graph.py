"""A FINN-ONNX graph under way: nodes, constants, and what is known of every tensor.

Feature maps have channels last, (1, H, W, C), but for those in `channels_first`.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.custom_op import add_functions
from bnnedge.dataflow import Window
from bnnedge.lowering.execute import QONNX_DOMAIN
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.vocabulary import TABLES
from bnnedge.lowering.windows import pool_attributes, window_attributes
from bnnedge.names import CUSTOM_OPS

_QONNX = {"MultiThreshold", "XnorPopcountMatMul", "Im2Col", "MaxPoolNHWC"}
_SUM_ATTRIBUTES_BEFORE = 13
_ATTRIBUTES_BEFORE = 11  # the opset since which a Pad, and 10 a Slice, takes inputs


class FinnGraph:
    """Nodes in the order in which they are added; each is named, and so is what it makes.

    Args:
        opset: ONNX's.
        taken: names that are not to be given.

    Attributes:
        nodes: so far.
        constants: by name.
        shapes: of all tensors that are no constants.
        kinds: QONNX's names for datatypes, where they are known.
        channels_first: feature maps (1, C, H, W).
    """

    def __init__(self, opset: int, taken: set[str]) -> None:
        self.opset, self._taken = opset, taken
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, list[int]] = {}
        self.kinds: dict[str, str] = {}
        self.channels_first: set[str] = set()

    def model(self, source: str, tail: list[GraphNode], original: IndexedModel) -> ModelWrapper:
        """The graph, with the `tail` nodes of the original."""
        graph = original.proto.graph
        needed = {name for node in tail for name in node.input}
        nodes = [*self.nodes, *(node.proto for node in tail)]
        made = {name for node in tail for name in node.output if name}
        constants = [onnx.numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        constants += [tensor for tensor in graph.initializer if tensor.name in needed]
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in self.shapes.items()
            if name not in (source, graph.output[0].name)
        ]
        values += [value for value in graph.value_info if value.name in made]
        entry = helper.make_tensor_value_info(source, TensorProto.FLOAT, self.shapes[source])
        written = helper.make_graph(nodes, graph.name, [entry], [graph.output[0]], constants)
        written.value_info.extend(values)
        for name in {**self.shapes, **self.kinds}:
            written.quantization_annotation.append(self._annotation(name))
        model = helper.make_model(
            written,
            opset_imports=list(original.proto.opset_import),
            ir_version=original.proto.ir_version,
        )
        add_functions(model)
        return ModelWrapper(model, fix_missing_initializer_valueinfo=False)

    def _annotation(self, name: str) -> onnx.TensorAnnotation:
        annotation = onnx.TensorAnnotation(tensor_name=name)
        maps = "NCHW" if name in self.channels_first else "NHWC"
        layout = {2: ["N", "C"], 4: [*maps]}.get(len(self.shapes.get(name, ())))
        for key, value in (("finn_datatype", self.kinds.get(name)), ("tensor_layout", layout)):
            if value is not None:
                entry = onnx.StringStringEntryProto(key=key, value=str(value))
                annotation.quant_parameter_tensor_names.append(entry)
        return annotation

    def _new(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def constant(self, name: str, values: Array, kind: str | None = None) -> str:
        """Keep a constant of a datatype, if it is known; returns its name."""
        name = self._new(name)
        self.constants[name] = np.ascontiguousarray(values)
        if kind is not None:
            self.kinds[name] = kind
        return name

    def add(
        self,
        op: str,
        inputs: Sequence[str | Array],
        name: str,
        shape: list[int],
        *,
        out: str | None = None,
        **attributes: int | float | str | list[int],
    ) -> str:
        """Append a node; inputs that are arrays become constants. Returns what it makes."""
        out = out or self._new(f"{name}_out")
        names = [
            one if isinstance(one, str) else self.constant(f"{name}_{place}", one)
            for place, one in enumerate(inputs)
        ]
        domain = QONNX_DOMAIN if op in _QONNX else CUSTOM_OPS if op in TABLES else ""
        node = helper.make_node(op, names, [out], name=self._new(name), domain=domain)
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        self.nodes.append(node)
        self.shapes[out] = list(shape)
        return out

    def reshape(self, tensor: str, shape: list[int], name: str) -> str:
        """Append a Reshape."""
        made = self.add("Reshape", [tensor, np.array(shape, np.int64)], name, shape)
        if tensor in self.kinds:
            self.kinds[made] = self.kinds[tensor]
        return made

    def flip(self, tensor: str, flips: NDArray[np.bool_], name: str) -> str:
        """Times −1 where `flips`."""
        if not flips.any():
            return tensor
        signs = np.where(flips, np.float32(-1), np.float32(1))
        signs = signs.reshape(*[1] * (len(self.shapes[tensor]) - 1), -1)
        constant = self.constant(f"{name}_signs", signs, "BIPOLAR")
        made = self.add("Mul", [tensor, constant], name, self.shapes[tensor])
        kind = self.kinds.get(tensor)
        if kind is not None and kind not in ("BIPOLAR", "FLOAT32"):
            most = int(max(-DataType[kind].min(), DataType[kind].max()))
            kind = type_of(-most, most)
        if kind is not None:
            self.kinds[made] = kind
        return made

    def threshold(
        self, tensor: str, rows: Array, name: str, kind: str, scale: float, low: float
    ) -> str:
        """Append `low` + `scale` · how many of its channel's `rows` (C, L) `tensor` reaches."""
        integers = rows.dtype != np.float32
        values = rows.astype(np.float32)
        span = type_of(int(rows.min()), int(rows.max())) if integers else None
        made = self.add(
            "MultiThreshold",
            [tensor, self.constant(f"{name}_thresholds", values, span)],
            name,
            self.shapes[tensor],
            out_dtype=kind,
            out_scale=scale,
            out_bias=low,
            data_layout={2: "NC", 4: "NHWC"}[len(self.shapes[tensor])],
        )
        self.kinds[made] = kind
        return made

    def pad(self, tensor: str, sizes: list[int], fill: float, name: str, shape: list[int]) -> str:
        """Append a Pad by `fill`, `sizes` as ONNX has them."""
        if self.opset < _ATTRIBUTES_BEFORE:
            return self.add("Pad", [tensor], name, shape, mode="constant", pads=sizes, value=fill)
        inputs: list[str | Array] = [tensor, np.array(sizes, np.int64), np.array(fill, np.float32)]
        return self.add("Pad", inputs, name, shape, mode="constant")

    def crop(self, tensor: str, first: tuple[int, int], name: str, shape: list[int]) -> str:
        """Append a Slice from the first row and column on."""
        ends = self.shapes[tensor][1:3]
        if self.opset < _ATTRIBUTES_BEFORE - 1:
            starts = list(first)
            return self.add("Slice", [tensor], name, shape, starts=starts, ends=ends, axes=[1, 2])
        arrays = [np.array(one, np.int64) for one in (first, ends, (1, 2))]
        return self.add("Slice", [tensor, *arrays], name, shape)

    def transpose(self, tensor: str, name: str, *, out: str | None = None) -> str:
        """Append a Transpose, from channels last to channels first or the other way."""
        one, *rest = self.shapes[tensor]
        to_first = tensor not in self.channels_first
        shape = [one, rest[2], *rest[:2]] if to_first else [one, *rest[1:], rest[0]]
        perm = [0, 3, 1, 2] if to_first else [0, 2, 3, 1]
        made = self.add("Transpose", [tensor], name, shape, out=out, perm=perm)
        self.channels_first |= {made} if to_first else set()
        if tensor in self.kinds:
            self.kinds[made] = self.kinds[tensor]
        return made

    def windows(self, tensor: str, window: Window, name: str) -> str:
        """Append an Im2Col: each window of pixels as one pixel, (1, OH, OW, taps · C)."""
        _, height, width, channels = self.shapes[tensor]
        made = self.add(
            "Im2Col",
            [tensor],
            name,
            [1, *window.output_size(height, width), window.taps * channels],
            kernel_size=list(window.kernel),
            stride=list(window.stride),
            dilations=list(window.dilation),
            pad_amount=list(window.padding),
            input_shape=f"(1,{height},{width},{channels})",
        )
        self.kinds[made] = self.kinds[tensor]
        return made

    def convolution(
        self,
        tensor: str,
        kernel: NDArray[np.float32],
        kind: str,
        window: Window,
        groups: int,
        name: str,
    ) -> str:
        """Append a Conv, between Transposes; `kernel`, of a type, is (MH, KH, KW, C / groups)."""
        _, height, width, _ = self.shapes[tensor]
        planes = self.transpose(tensor, f"{name}_first")
        weights = self.constant(f"{name}_weights", kernel.transpose(0, 3, 1, 2), kind)
        shape = [1, len(kernel), *window.output_size(height, width)]
        attributes = window_attributes(window)
        made = self.add("Conv", [planes, weights], name, shape, group=groups, **attributes)
        self.channels_first.add(made)
        return self.transpose(made, f"{name}_last")

    def sum_of_pixels(self, tensor: str, name: str) -> str:
        """Append a ReduceSum, (1, 1, 1, C); FINN has no type for it, nor hardware."""
        shape = [1, 1, 1, self.shapes[tensor][-1]]
        if self.opset < _SUM_ATTRIBUTES_BEFORE:
            made = self.add("ReduceSum", [tensor], name, shape, axes=[1, 2], keepdims=1)
        else:
            axes = np.array([1, 2], np.int64)
            made = self.add("ReduceSum", [tensor, axes], name, shape, keepdims=1)
        self.kinds[made] = "FLOAT32"
        return made

    def max_pool(self, tensor: str, window: Window, name: str, shape: list[int]) -> str:
        """Append a MaxPool, between Transposes where QONNX has none with channels last."""
        top, left, bottom, right = window.padding
        attributes = pool_attributes(window)
        if (top, left) == (bottom, right) and window.dilation == (1, 1):
            attributes.pop("dilations", None)
            made = self.add("MaxPoolNHWC", [tensor], name, shape, ceil_mode=0, **attributes)
        else:
            planes = self.transpose(tensor, f"{name}_first")
            one, height, width, channels = shape
            size = [one, channels, height, width]
            pooled = self.add("MaxPool", [planes], name, size, **attributes)
            self.channels_first.add(pooled)
            made = self.transpose(pooled, f"{name}_last")
        if tensor in self.kinds:
            self.kinds[made] = self.kinds[tensor]
        return made


def type_of(low: int, high: int) -> str:
    """QONNX's name for the narrowest integer type that holds both."""
    if low >= 0:
        return str(DataType.get_smallest_possible(max(high, 1)).name)
    return str(DataType.get_smallest_possible(min(low, -high - 1)).name)
