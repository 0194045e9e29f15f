"""What `ceil_mode` adds at the end of a pool becomes padding: a window has one form of it."""

import onnx
from onnx import helper

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import window_of


def resolve_ceil_mode(model: IndexedModel, node: onnx.NodeProto) -> None:
    """What `ceil_mode` adds at the end of a pool becomes padding.

    The last window must begin inside the image or its leading padding, as in PyTorch and
    onnxruntime; ONNX's shape inference does not always know.

    Raises:
        LoweringError: the padding would count in an average, or be as large as the kernel.
    """
    height, width = model.shape(node.input[0])[2:]
    _set_attributes(node, ceil_mode=0)
    window = window_of(model, GraphNode.of(node))
    padding = list(window.padding)
    for axis, size in enumerate((height, width)):
        stride, span = window.stride[axis], window.span[axis]
        rest = size + padding[axis] + padding[axis + 2] - span
        outputs = -(-rest // stride) + 1
        if (outputs - 1) * stride >= size + padding[axis]:
            outputs -= 1
        padding[axis + 2] += max(0, (outputs - 1) * stride - rest)
    if tuple(padding) == window.padding:
        return
    if node.op_type != "MaxPool" or any(padding[i] >= window.kernel[i % 2] for i in (2, 3)):
        raise LoweringError(
            f"{called(node)}: ceil_mode adds an incomplete window",
            remedy="pool without ceil_mode, or pad",
        )
    _set_attributes(node, pads=padding)


def _set_attributes(node: onnx.NodeProto, **attributes: int | list[int]) -> None:
    """Replace attributes of a node."""
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
