"""The windows of Conv, pools and Pad, as a Dataflow describes them."""

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.node_checks import check_axes
from bnnedge.lowering.vocabulary import called

Padding = tuple[int, int, int, int]
_GLOBAL = {"GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "ReduceSum"}


def window_of(model: IndexedModel, node: GraphNode) -> Window:
    """The window of a Conv or a pool on data (N, C, H, W).

    `auto_pad` is resolved; `ceil_mode` has been, see `passes.resolve_ceil_mode`.

    Raises:
        LoweringError: the node reduces other axes, or pads an average by what it then leaves out.
    """
    height, width = model.shape(node.input[0])[2:]
    if node.op_type in _GLOBAL:
        check_axes(model, node)
        return Window(kernel=(height, width))
    if node.op_type == "Conv":
        kernel = model.floats(node, 1).shape[2:]
    else:
        kernel = node.integers("kernel_shape")
    stride, dilation = node.integers("strides", (1, 1)), node.integers("dilations", (1, 1))
    padding = list(node.integers("pads", (0, 0, 0, 0)))
    if (len(kernel), len(stride), len(dilation), len(padding)) != (2, 2, 2, 4):
        raise LoweringError(
            f"{called(node)}: wanted a window on height and width, got kernel {kernel}, strides"
            f" {stride}, dilations {dilation} and pads {tuple(padding)}"
        )
    span = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True)]
    auto_pad = node.text("auto_pad", "NOTSET")
    if auto_pad != "NOTSET":
        padding = [0, 0, 0, 0]
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        for axis, size in enumerate((height, width)):
            outputs = -(-size // stride[axis])
            total = max(0, (outputs - 1) * stride[axis] + span[axis] - size)
            small, large = total // 2, total - total // 2
            first, last = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
            padding[axis], padding[axis + 2] = first, last
    included = node.integer("count_include_pad", 0)
    if node.op_type == "AveragePool" and any(padding) and not included:
        raise LoweringError(
            f"{called(node)}: its divisor depends on the place, for padding does not count",
            remedy="export with count_include_pad = 1, or without padding",
        )
    return Window(
        kernel=_two(kernel), stride=_two(stride), dilation=_two(dilation), padding=_four(padding)
    )


class WindowAttributes(TypedDict, total=False):
    """Those that ONNX has."""

    kernel_shape: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[int]


def window_attributes(window: Window) -> WindowAttributes:
    """The ONNX attributes of a window."""
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "pads": list(window.padding),
    }


def pool_attributes(window: Window) -> WindowAttributes:
    """The same of a pool, whose dilations ONNX knows since opset 10."""
    attributes = window_attributes(window)
    if window.dilation == (1, 1):
        del attributes["dilations"]
    return attributes


def pad_of(model: IndexedModel, node: GraphNode) -> tuple[Padding, float]:
    """What an explicit Pad adds, and its value.

    Raises:
        LoweringError: it does not pad with a constant, crops, or pads other axes.
    """
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise LoweringError(
            f"{called(node)}: mode {mode}, wanted constant",
            remedy="pad with -1, +1 or 0",
        )
    value: float | None = node.real("value", 0.0)  # before opset 11
    if len(node.input) > 2 and node.input[2]:
        given = model.constant(node, 2)
        value = None if given is None else float(given.reshape(-1)[0])
    sizes = pad_amounts(model, node)
    if sizes is None or value is None:
        raise LoweringError(
            f"{called(node)}: wanted constant amounts and a constant value",
            remedy="export with fixed shapes",
        )
    if any(sizes[i] for i in (0, 1, 4, 5)) or min(sizes) < 0:
        raise LoweringError(
            f"{called(node)}: wanted to pad height and width only, got {sizes.tolist()}",
            remedy="pad by 0 or more; crop with a Slice, or in front of the network",
        )
    return _four(sizes[[2, 3, 6, 7]]), value


def pad_amounts(model: IndexedModel, node: GraphNode) -> NDArray[np.int64] | None:
    """What a Pad adds before and behind each of four axes, (8,); None where that is not known."""
    amounts, axes = model.integers(node, 1), model.integers(node, 3)
    if len(node.input) == 1:  # before opset 11
        amounts = np.array(node.integers("pads"), np.int64)
    if amounts is None:
        return None
    if axes is not None:
        spread = np.zeros(8, np.int64)
        for place, axis in enumerate(axes % 4):
            spread[axis], spread[axis + 4] = amounts[place], amounts[place + axes.size]
        amounts = spread
    return amounts if len(amounts) == 8 else None


def slice_of(model: IndexedModel, node: GraphNode) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first row and column that a Slice of (N, C, H, W) keeps, and its (vertical, horizontal)
    steps.

    Raises:
        LoweringError: it leaves out channels, or rows or columns at the end.
    """
    shape = model.shape(node.input[0])
    starts, ends, axes, steps = (model.integers(node, place) for place in range(1, 5))
    if len(shape) == 4 and starts is not None and ends is not None:
        axes = np.arange(len(starts)) if axes is None else axes % 4
        steps = np.ones(len(starts), np.int64) if steps is None else steps
        first, stride = [0, 0, 0, 0], [1, 1, 1, 1]
        whole = True
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            first[axis], stride[axis] = int(start), int(step)
            whole &= 0 <= start < shape[axis] <= end and step > 0
        if whole and first[:2] == [0, 0] and stride[:2] == [1, 1]:
            return (first[2], first[3]), (stride[2], stride[3])
    raise LoweringError(
        f"{called(node)}: wanted to keep every n-th row and column, up to the last",
        remedy="slice as in x[:, :, ::2, ::2]",
    )


def _two(values: Iterable[int]) -> tuple[int, int]:
    first, second = (int(value) for value in values)
    return first, second


def _four(values: Iterable[int]) -> Padding:
    top, left, bottom, right = (int(value) for value in values)
    return top, left, bottom, right
