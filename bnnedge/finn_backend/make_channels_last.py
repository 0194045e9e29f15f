"""What picks pixels, adds channels or sums up a feature map works with channels last."""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

_FIRST, _LAST = [0, 3, 1, 2], [0, 2, 3, 1]


class MakeChannelsLast(Transformation):
    """Slice, Pad and ReduceSum of (N, C, H, W): between Transposes, with channels last.

    A Slice of every n-th row and column becomes a window of one pixel (Im2Col), which FINN has in
    hardware; for channels of zeros, and for sums over all pixels, FINN has none. Other forms stay.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Convert what can be converted."""
        for node in list(model.graph.node):
            if node.op_type == "Slice":
                _join_slices(model, node)
        for node in list(model.graph.node):
            if node.op_type not in _CONVERTERS or len(model.get_tensor_shape(node.input[0])) != 4:
                continue
            if _reads_channels_last(model, node):
                continue
            made = _CONVERTERS[node.op_type](model, node)
            if made is not None:
                _replace(model, node, made)
        return model, False


def _reads_channels_last(model: ModelWrapper, node: NodeProto) -> bool:
    before = model.find_producer(node.input[0])
    if before is None or before.op_type != "Transpose":
        return False
    return bool(list(get_by_name(before.attribute, "perm").ints) == _LAST)


def _join_slices(model: ModelWrapper, node: NodeProto) -> None:
    """A Slice of some axes behind one of others: one of all, where nothing else reads the first."""
    before = model.find_producer(node.input[0])
    if before is None or before.op_type != "Slice" or model.is_fork_node(before):
        return
    arrays = [[model.get_initializer(name) for name in one.input[1:]] for one in (before, node)]
    if any(len(own) != 4 or any(array is None for array in own) for own in arrays):
        return
    if {*arrays[0][2].reshape(-1).tolist()} & {*arrays[1][2].reshape(-1).tolist()}:
        return
    for place, (first, second) in enumerate(zip(*arrays, strict=True)):
        name = model.make_new_valueinfo_name()
        model.set_initializer(name, np.concatenate([first.reshape(-1), second.reshape(-1)]))
        node.input[1 + place] = name
    node.input[0] = before.input[0]
    model.graph.node.remove(before)


def _replace(model: ModelWrapper, node: NodeProto, made: NodeProto) -> None:
    """Put `made`, whose first input and output are to be set, between Transposes."""
    index = list(model.graph.node).index(node)
    x, y = node.input[0], node.output[0]
    kind = model.get_tensor_datatype(x)
    names = model.make_new_valueinfo_name()
    model.set_tensor_shape(names, [model.get_tensor_shape(x)[axis] for axis in _LAST])
    out = model.make_new_valueinfo_name()
    shape = model.get_tensor_shape(y)
    full = shape if len(shape) == 4 else [*shape, 1, 1]
    model.set_tensor_shape(out, [full[axis] for axis in _LAST])
    model.set_tensor_datatype(names, kind)
    if made.op_type != "ReduceSum":
        model.set_tensor_datatype(out, kind)
    made.input[0], made.output[0] = names, out
    nodes = [helper.make_node("Transpose", [x], [names], perm=_LAST), made]
    if len(shape) == 4:
        nodes.append(helper.make_node("Transpose", [out], [y], perm=_FIRST))
    else:
        size = model.make_new_valueinfo_name()
        model.set_initializer(size, np.array(shape, np.int64))
        nodes.append(helper.make_node("Reshape", [out, size], [y]))
    model.graph.node.remove(node)
    for place, one in enumerate(nodes):
        model.graph.node.insert(index + place, one)


def _windows(model: ModelWrapper, node: NodeProto) -> NodeProto | None:
    """A Slice of rows or columns from the first one on."""
    arrays = [model.get_initializer(name) for name in node.input[1:]]
    if len(arrays) != 4 or any(array is None for array in arrays):
        return None
    starts, ends, axes, steps = (array.reshape(-1).tolist() for array in arrays)
    shape = model.get_tensor_shape(node.input[0])
    stride = [1, 1]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if start or axis % 4 < 2 or end < shape[axis] or step < 1:
            return None
        stride[axis % 4 - 2] = step
    _, channels, height, width = shape
    return helper.make_node(
        "Im2Col",
        [""],
        [""],
        domain="qonnx.custom_op.general",
        kernel_size=[1, 1],
        stride=stride,
        pad_amount=[0, 0, 0, 0],
        input_shape=f"(1,{height},{width},{channels})",
    )


def _zeros(model: ModelWrapper, node: NodeProto) -> NodeProto | None:
    """A Pad of channels."""
    amounts = model.get_initializer(node.input[1]) if len(node.input) > 1 else None
    if amounts is None or amounts.size != 8 or np.delete(amounts, [1, 5]).any():
        return None
    moved = model.make_new_valueinfo_name()
    order = [*_LAST, *(4 + axis for axis in _LAST)]
    model.set_initializer(moved, amounts[order])
    made = helper.make_node("Pad", ["", moved, *node.input[2:]], [""])
    made.attribute.extend(node.attribute)
    return made


def _sum(model: ModelWrapper, node: NodeProto) -> NodeProto | None:
    """A ReduceSum of all pixels."""
    axes = model.get_initializer(node.input[1]) if len(node.input) > 1 else None
    if axes is None or {axis % 4 for axis in axes.reshape(-1).tolist()} != {2, 3}:
        return None
    moved = model.make_new_valueinfo_name()
    model.set_initializer(moved, np.array([1, 2], np.int64))
    return helper.make_node("ReduceSum", ["", moved], [""], keepdims=1)


_CONVERTERS: dict[str, Callable[[ModelWrapper, NodeProto], NodeProto | None]] = {
    "Slice": _windows,
    "Pad": _zeros,
    "ReduceSum": _sum,
}
