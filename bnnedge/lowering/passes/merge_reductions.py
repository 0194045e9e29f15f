"""Means, sums and maxima over height and width in two steps, or of flattened maps → in one.

`x.mean(-1).mean(-1)`, `x.flatten(2).mean(-1)`, or rows with a height of 1, `x.mean(-1)`. Sums
of integers do not round, so a mean of means is the mean if the first divides by a power of two.
Otherwise it rounds once more, and is what in real numbers is the mean: a remark says so.
"""

import math

import numpy as np
import onnx

from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.rewriter import Rewriter
from bnnedge.lowering.vocabulary import called

REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax"}
_MAPS = ([2, 3], [1, 2])  # height and width of channels first, and last


def merge_reductions(model: onnx.ModelProto) -> bool:
    """One reduction of height and width in the place of two, or of one behind a reshape."""
    rewriter = Rewriter(model)
    for node in rewriter.nodes:
        found = _merged(rewriter, node) if node.op_type in REDUCTIONS else None
        if found is None:
            rewriter.keep(node)
            continue
        tensor, axes = found
        shape, output = rewriter.shape(node.output[0]), node.output[0]
        if len(shape) == 4:
            rewriter.over_axes(node.op_type, tensor, axes, node, output, keepdims=1)
        elif len(shape) == 2:
            rewriter.over_axes(node.op_type, tensor, axes, node, output, keepdims=0)
        else:
            made = rewriter.over_axes(node.op_type, tensor, axes, node, keepdims=0)
            wanted = rewriter.constant(np.array(shape, np.int64), output)
            rewriter.make("Reshape", [made, wanted], node, output)
    return rewriter.finish()


def read_maxima(model: onnx.ModelProto) -> bool:
    """A ReduceMax over height and width is a GlobalMaxPool."""
    rewriter = Rewriter(model)
    for node in rewriter.nodes:
        is_max = node.op_type == "ReduceMax"
        if is_max and _reduced(rewriter, node, _rank(rewriter, node)) == [2, 3]:
            keeps = node.integer("keepdims", 1)
            output = node.output[0]
            made = rewriter.make("GlobalMaxPool", node.input[:1], node, output if keeps else None)
            if not keeps:
                rewriter.over_axes("Squeeze", made, [2, 3], node, output)
        else:
            rewriter.keep(node)
    return rewriter.finish()


def _merged(rewriter: Rewriter, node: GraphNode) -> tuple[str, list[int]] | None:
    """The map that a node reduces in the end, and over which axes of it."""
    before = rewriter.maker(node.input[0])
    rank = _rank(rewriter, node)
    axes = _reduced(rewriter, node, rank)
    if before is None or axes is None or len(rewriter.read.readers(node.input[0])) > 1:
        return None
    source = rewriter.shape(before.input[0])
    if len(source) != 4:
        return None
    if before.op_type in ("Reshape", "Flatten", "Squeeze"):
        made = rewriter.shape(node.input[0])
        flat = (*source[:2], math.prod(source[2:])), [2]
        flat_last = (source[0], math.prod(source[1:3]), source[3]), [1]
        for (shape, wanted), maps in zip((flat, flat_last), _MAPS, strict=True):
            if (made, axes) == (shape, wanted):
                return before.input[0], maps
        return None
    if before.op_type != node.op_type:
        return None
    first = _reduced(rewriter, before, 4)
    if first is None or len(first) != 1:
        return None
    left = [0, 1, 2, 3]
    if not before.integer("keepdims", 1):
        left.remove(first[0])
    both = sorted({*first, *(left[axis] for axis in axes)})
    if both not in _MAPS:
        return None
    divisor = source[first[0]]
    if node.op_type == "ReduceMean" and divisor & (divisor - 1):
        rewriter.remark(
            f"{called(before)}: averages rows or columns alone, and rounds there; taken as one"
            f" average with {called(node)}, so the file's own may differ in the last bit"
        )
    return before.input[0], both


def _rank(rewriter: Rewriter, node: GraphNode) -> int:
    return len(rewriter.shape(node.input[0]))


def _reduced(rewriter: Rewriter, node: GraphNode, rank: int) -> list[int] | None:
    """The axes that a node reduces, if they are known."""
    axes = axes_of(rewriter, node)
    return None if axes is None or not rank else sorted(axis % rank for axis in axes)


def axes_of(rewriter: Rewriter, node: GraphNode) -> list[int] | None:
    """The axes of a reduction as the file gives them: an attribute, or in newer opsets an input."""
    if node.has("axes"):
        return list(node.integers("axes"))
    given = rewriter.read.integers(node, 1)
    return None if given is None else given.tolist()
