"""Nodes on (N, H, W, C) → the same on (N, C, H, W), between two transposes.

Keras' and larq's graphs, as tf2onnx writes them, keep channels last wherever they can, and so does
qonnx's `to_channels_last`. Elementwise nodes may stay: layouts are followed through transposes.
"""

from collections.abc import Iterable

import numpy as np
import onnx

from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.merge_reductions import REDUCTIONS, axes_of
from bnnedge.lowering.passes.rewriter import Rewriter
from bnnedge.lowering.vocabulary import ELEMENTWISE
from bnnedge.lowering.windows import pad_amounts

_DOMAIN = "qonnx.custom_op.channels_last"
_TO_FIRST, _TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
_MOVED = {  # how many inputs have channels last, of QONNX's own nodes
    (True, "Conv"): 2,
    (True, "MaxPool"): 1,
    (True, "BatchNormalization"): 1,
    (False, "MaxPoolNHWC"): 1,
}
_FIRST_AXIS = {0: 0, 1: 2, 2: 3, 3: 1}  # of channels first, by the axis of channels last


def read_channels_last(model: onnx.ModelProto) -> bool:
    """Rewrite QONNX's own nodes of channels last; whether there are any."""
    rewriter = Rewriter(model)
    for node in rewriter.nodes:
        inputs = list(node.input)
        moved = _MOVED.get((node.domain == _DOMAIN, node.op_type), 0)
        if 0 < moved <= len(inputs):
            for place in range(moved):
                inputs[place] = rewriter.make("Transpose", [inputs[place]], node, perm=_TO_FIRST)
            op = node.op_type.removesuffix("NHWC")
            made = rewriter.make(op, inputs, node)
            rewriter.copy_attributes(node)
            rewriter.make("Transpose", [made], node, node.output[0], perm=_TO_LAST)
        else:
            rewriter.keep(node)
    for opset in [opset for opset in model.opset_import if opset.domain == _DOMAIN]:
        model.opset_import.remove(opset)
    return rewriter.finish()


def put_channels_first(model: onnx.ModelProto) -> bool:
    """Put what follows a transpose to channels last in front of it, node by node.

    Whether that was done: only where a node is there that would work along other axes.
    """
    rewriter = Rewriter(model)
    if _has_nodes_on_last(rewriter):
        _First(rewriter).rewrite()
    return rewriter.finish()


def _has_nodes_on_last(rewriter: Rewriter) -> bool:
    last: set[str] = set()
    for node in rewriter.nodes:
        data = any(name in last for name in node.input)
        if data and _axes(rewriter, node) is not None:
            return True
        if _perm(node) == _TO_LAST or (data and node.op_type in ELEMENTWISE):
            last.update(node.output)
    return False


class _First:
    """Rewrites nodes on channels last; `_twins` are the same tensors with channels first."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._twins: dict[str, str] = {}
        self._same: dict[str, str] = {}  # what a transpose back would make again

    def rewrite(self) -> None:
        for node in self._rewriter.nodes:
            given = [self._same.get(name, name) for name in node.input]
            twins = [name for name in given if name in self._twins]
            axes = _axes(self._rewriter, node) if twins else None
            if _perm(node) == _TO_LAST:
                self._twins[node.output[0]] = given[0]
                self._rewriter.keep(node, given)
            elif twins and _perm(node) == _TO_FIRST:
                self._same[node.output[0]] = self._twins[given[0]]
                self._rewriter.keep(node, given)
            elif axes is not None:
                self._along(node, given, axes)
            elif twins and self._is_elementwise(node):
                inputs = [self._first(name, node) for name in given]
                made = self._rewriter.make(node.op_type, inputs, node)
                layout = {"data_layout": "NCHW"} if node.op_type == "MultiThreshold" else {}
                self._rewriter.copy_attributes(node, **layout)
                self._last(node, made)
            else:
                self._rewriter.keep(node, given)

    def _is_elementwise(self, node: GraphNode) -> bool:
        shape = self._rewriter.shape(node.output[0])
        along_axis = node.op_type in ("BatchNormalization", "MultiThreshold")
        if along_axis and node.text("data_layout", "") != "NHWC":
            return False
        return len(shape) == 4 and len(node.output) == 1 and node.op_type in ELEMENTWISE

    def _first(self, name: str, node: GraphNode) -> str:
        """A tensor or constant with channels first."""
        if name in self._twins or not name:
            return self._twins.get(name, name)
        values = self._rewriter.constants.get(name)
        if values is None:
            return self._rewriter.make("Transpose", [name], node, perm=_TO_FIRST)
        if values.size == 1 or node.op_type == "MultiThreshold":
            return name
        spread = values.reshape(*[1] * (4 - values.ndim), *values.shape)
        return self._rewriter.constant(np.ascontiguousarray(spread.transpose(_TO_FIRST)), name)

    def _last(self, node: GraphNode, made: str) -> None:
        """What `node` gave, from `made` with channels first."""
        self._twins[node.output[0]] = made
        self._rewriter.make("Transpose", [made], node, node.output[0], perm=_TO_LAST)

    def _along(self, node: GraphNode, given: list[str], axes: list[int]) -> None:
        """A node that works along axes of channels last."""
        rewriter, output = self._rewriter, node.output[0]
        first, inputs = [_FIRST_AXIS[axis] for axis in axes], list(given)
        for place in range(len(inputs) if node.op_type == "Concat" else 1):
            inputs[place] = self._first(inputs[place], node)
        if node.op_type in REDUCTIONS:
            keeps = node.integer("keepdims", 1)
            if not keeps and sorted(first) == [2, 3]:
                rewriter.over_axes(node.op_type, inputs[0], [2, 3], node, output, keepdims=0)
                return
            made = rewriter.over_axes(node.op_type, inputs[0], sorted(first), node, keepdims=1)
            if not keeps:
                made = rewriter.make("Transpose", [made], node, perm=_TO_LAST)
                rewriter.over_axes("Squeeze", made, axes, node, output)
                return
        elif node.op_type == "Concat":
            made = rewriter.make("Concat", inputs, node, axis=first[0])
        elif node.op_type == "Slice":
            names = [*inputs, ""][: max(4, len(inputs))]
            names[3] = rewriter.constant(np.array(first, np.int64), output)
            made = rewriter.make("Slice", names, node)
        else:
            made = _padded(rewriter, node, inputs[0])
        self._last(node, made)


def _perm(node: GraphNode) -> list[int]:
    return list(node.integers("perm")) if node.op_type == "Transpose" else []


def _axes(rewriter: Rewriter, node: GraphNode) -> list[int] | None:
    """What axes a node works along that must be others; None where it may stay."""
    given: Iterable[int] | None = None
    if node.op_type in REDUCTIONS:
        given = axes_of(rewriter, node)
    elif node.op_type == "Concat":
        given = [node.integer("axis", 0)]
    elif node.op_type == "Slice":
        starts, axes = rewriter.read.integers(node, 1), rewriter.read.integers(node, 3)
        if axes is not None:
            given = axes.tolist()
        elif starts is not None:
            given = range(len(starts))
    elif node.op_type == "Pad":
        given = range(4)
    return None if given is None else [axis % 4 for axis in given]


def _padded(rewriter: Rewriter, node: GraphNode, tensor: str) -> str:
    amounts = pad_amounts(rewriter.read, node)
    assert amounts is not None
    order = [*_TO_FIRST, *(4 + axis for axis in _TO_FIRST)]
    pads = amounts[order]
    if len(node.input) < 2:
        made = rewriter.make("Pad", [tensor], node)
        rewriter.copy_attributes(node, pads=pads.tolist())
        return made
    value = [name for name in node.input[2:3] if name]
    made = rewriter.make("Pad", [tensor, rewriter.constant(pads, tensor), *value], node)
    rewriter.copy_attributes(node)
    return made
