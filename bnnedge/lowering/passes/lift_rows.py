"""Nodes on rows (N, C, L) → the same on images of one row, (N, C, 1, L), which all else knows.

A Conv or a pool along one axis takes a height of 1, and what follows keeps it for as long as its
data are rows; in front of the first one, and behind the last, an Unsqueeze and a Squeeze.
`merge_reductions` takes sums and means of what was squeezed.
"""

import numpy as np
import onnx
from numpy.typing import NDArray

from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.rewriter import Attribute, Rewriter
from bnnedge.lowering.vocabulary import ELEMENTWISE

_POOLS = {"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"}
_HEIGHT = 2  # its axis in (N, C, H, W)
_ROW = 3  # axes of (N, C, L)
_LIFTED = (0, 1, 3)  # by axis of (N, C, L)
_FIRST_IS_DATA = {"BatchNormalization", "MultiThreshold", "CastLike"}  # the others are by channel


def lift_rows(model: onnx.ModelProto) -> bool:
    """Give rows a height of 1 wherever a window moves along them; whether one does."""
    rewriter = Rewriter(model)
    if any(_has_window(rewriter, node) for node in rewriter.nodes):
        _Lift(rewriter).rewrite()
    return rewriter.finish()


def _has_window(rewriter: Rewriter, node: GraphNode) -> bool:
    given = node.input[:2] if node.op_type == "Conv" else node.input[:1]
    is_window = node.op_type in {"Conv", *_POOLS}
    return is_window and all(_rank(rewriter, tensor) == _ROW for tensor in given)


def _rank(rewriter: Rewriter, tensor: str) -> int:
    return len(rewriter.shape(tensor))


class _Lift:
    """Rewrites nodes on rows; `_images` are the same tensors with a height of 1."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._images: dict[str, str] = {}
        self._same: dict[str, str] = {}  # what the file itself gives a height

    def rewrite(self) -> None:
        rewriter = self._rewriter
        for node in rewriter.nodes:
            given = [self._same.get(name, name) for name in node.input]
            lifted = any(name in self._images for name in given)
            rows = _rank(rewriter, node.output[0]) == _ROW
            if _has_window(rewriter, node):
                self._window(node, given)
            elif node.op_type == "Pad" and self._is_at_window(node):
                self._pad(node, given)
            elif node.op_type in {"Reshape", "Squeeze", "Unsqueeze"}:
                self._reshape(node, given)
            elif lifted and node.op_type in ELEMENTWISE and rows and len(node.output) == 1:
                data = given[:1] if node.op_type in _FIRST_IS_DATA else given
                inputs = [self._lifted(name, node) for name in data]
                made = rewriter.make(node.op_type, [*inputs, *given[len(data) :]], node)
                rewriter.copy_attributes(node)
                self._give(node, made)
            elif lifted and node.op_type == "Concat" and rows:
                inputs = [self._lifted(name, node) for name in given]
                axis = _LIFTED[node.integer("axis", 0) % _ROW]
                self._give(node, rewriter.make("Concat", inputs, node, axis=axis))
            elif lifted and node.op_type == "Slice" and rows:
                self._slice(node, given)
            else:
                rewriter.keep(node, given)

    def _reshape(self, node: GraphNode, given: list[str]) -> None:
        """Kept; where it adds, or takes, a height of 1, both tensors are known."""
        before, after = (self._rewriter.shape(name) for name in (given[0], node.output[0]))
        if given[0] in self._images and after == (*before[:2], 1, *before[2:]):
            self._same[node.output[0]] = self._images[given[0]]
        elif len(before) == _ROW + 1 and before == (*after[:2], 1, *after[2:]):
            self._images[node.output[0]] = given[0]
        self._rewriter.keep(node, given)

    def _lifted(self, tensor: str, node: GraphNode) -> str:
        """A tensor with a height of 1 in front of its last axis, if it has as many."""
        rank = _rank(self._rewriter, tensor)
        if tensor in self._images or rank < 2:  # the last axis alone, or none
            return self._images.get(tensor, tensor)
        values = self._rewriter.constants.get(tensor)
        if values is not None:
            return self._rewriter.constant(np.expand_dims(values, rank - 1), tensor)
        made = self._rewriter.over_axes("Unsqueeze", tensor, [rank - 1], node)
        if rank == _ROW:
            self._images[tensor] = made
        return made

    def _give(self, node: GraphNode, made: str) -> None:
        """What `node` gave, from `made`, which has a height of 1."""
        self._images[node.output[0]] = made
        self._rewriter.over_axes("Squeeze", made, [_HEIGHT], node, node.output[0])

    def _window(self, node: GraphNode, given: list[str]) -> None:
        inputs = [self._lifted(name, node) for name in given[:2]]
        made = self._rewriter.make(node.op_type, [*inputs, *given[2:]], node)
        attributes: dict[str, Attribute] = {
            name: [1, *node.integers(name)]
            for name in ("kernel_shape", "strides", "dilations")
            if node.has(name)
        }
        if node.has("pads"):
            pads = np.array(node.integers("pads"), np.int64)
            attributes["pads"] = _with_height(pads, 1).tolist()
        self._rewriter.copy_attributes(node, **attributes)
        self._give(node, made)

    def _is_at_window(self, node: GraphNode) -> bool:
        readers = self._rewriter.read.readers(node.output[0])
        return any(_has_window(self._rewriter, reader) for reader in readers)

    def _pad(self, node: GraphNode, given: list[str]) -> None:
        rewriter, inputs = self._rewriter, list(given)
        attributes: dict[str, Attribute] = {}
        if node.has("pads"):  # before opset 11
            pads = np.array(node.integers("pads"), np.int64)
            attributes["pads"] = _with_height(pads, _ROW).tolist()
        else:
            has_axes = len(inputs) > 3 and inputs[3] != ""
            numbers = rewriter.read.integers(node, 3 if has_axes else 1)
            if numbers is None:
                rewriter.keep(node, given)
                return
            if has_axes:
                inputs[3] = self._axes(numbers, node)
            else:
                inputs[1] = rewriter.constant(_with_height(numbers, _ROW), node.output[0])
        inputs[0] = self._lifted(inputs[0], node)
        made = rewriter.make("Pad", inputs, node)
        rewriter.copy_attributes(node, **attributes)
        self._give(node, made)

    def _slice(self, node: GraphNode, given: list[str]) -> None:
        rewriter, inputs = self._rewriter, [*given, ""][: max(4, len(given))]
        starts, axes = rewriter.read.integers(node, 1), rewriter.read.integers(node, 3)
        if starts is None:
            rewriter.keep(node, given)
            return
        inputs[0] = self._lifted(inputs[0], node)
        inputs[3] = self._axes(np.arange(len(starts)) if axes is None else axes, node)
        self._give(node, rewriter.make("Slice", inputs, node))

    def _axes(self, axes: NDArray[np.int64], node: GraphNode) -> str:
        lifted = np.array([_LIFTED[axis % _ROW] for axis in axes], np.int64)
        return self._rewriter.constant(lifted, node.output[0])


def _with_height(amounts: NDArray[np.int64], axes: int) -> NDArray[np.int64]:
    """Of padding in front of and behind `axes` axes, the same with one of height, not padded."""
    if len(amounts) != 2 * axes:
        return amounts
    return np.insert(amounts, (axes - 1, 2 * axes - 1), 0)
