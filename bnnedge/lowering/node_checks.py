"""What each node of a network must be, whatever it stands beside."""

import numpy as np

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.tables import check_wiring
from bnnedge.lowering.vocabulary import BRANCHES, ELEMENTWISE, INPUT_ONLY, LAYERS, TABLES, called

_WITH_PARAMETERS = {
    *("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "BatchNormalization"),
}


def check_channel_axis(model: IndexedModel, node: GraphNode) -> None:
    """A TopK or ArgMax is over the classes. Raises LoweringError if it is not."""
    shape = model.known_shape(node.input[0])
    default = 0 if node.op_type == "ArgMax" else -1
    axis = node.integer("axis", default)
    position = axis % len(shape) if shape else 0
    if not shape or not position or shape[position] != np.prod(shape):
        raise LoweringError(
            f"{called(node)}: wanted the channel axis, got axis {axis} of shape"
            f" {tuple(shape or ())}",
            remedy="take it over the classes (axis 1 of logits (N, classes))",
        )


def class_output(node: GraphNode) -> str:
    """Name of the tensor with the classes that a TopK or ArgMax finds."""
    return node.output[1] if node.op_type == "TopK" else node.output[0]


def classes_found(model: IndexedModel, node: GraphNode) -> int:
    """The k of a TopK or ArgMax; 0 if it is no constant."""
    if node.op_type == "ArgMax":
        return 1
    if len(node.input) == 1:  # before opset 10
        return node.integer("k", 0)
    constant = model.integers(node, 1)
    return int(constant[0]) if constant is not None and constant.size == 1 else 0


def check_top_k(model: IndexedModel, node: GraphNode) -> None:
    """A TopK gives the k largest classes in falling order. Raises LoweringError if it does not."""
    if node.integer("select_last_index", 0):
        raise LoweringError(
            f"{called(node)}: ties go to the lowest class, not to the last",
            remedy="export with select_last_index = 0",
        )
    if not node.integer("largest", 1):
        raise LoweringError(
            f"{called(node)}: wanted the largest, got the smallest",
            remedy="end the graph before it, or take the largest",
        )
    k, classes = classes_found(model, node), int(np.prod(model.shape(node.input[0])))
    if not 1 <= k <= classes:
        raise LoweringError(
            f"{called(node)}: wanted a constant k from 1 to the {classes} classes, got"
            f" {k or 'none'}",
            remedy="give TopK a constant k",
        )
    if k > 1 and not node.integer("sorted", 1):
        raise LoweringError(
            f"{called(node)}: gives {k} classes in no order", remedy="export with sorted = 1"
        )


def check_op(model: IndexedModel, node: GraphNode, inputs: list[str]) -> None:
    """`inputs`, a node's data, are where data may be. Raises LoweringError if they are not."""
    if not inputs:
        raise LoweringError(
            f"{called(node)}: depends neither on the input nor on constants alone",
            remedy="export with fixed shapes (only the batch may be dynamic)",
        )
    if len(inputs) > 1 and node.op_type in LAYERS | _WITH_PARAMETERS:
        raise LoweringError(
            f"{called(node)}: takes data ({', '.join(inputs[1:])}) where a constant belongs",
            remedy="wanted one input of data; weights, biases and parameters as constants",
        )
    if node.op_type == "Flatten" and node.integer("axis", 1) == 0:
        raise LoweringError(
            f"{called(node)}: flattens the batch, too", remedy="flatten from axis 1 on"
        )
    if len(inputs) > 1 and node.op_type not in ELEMENTWISE | {"Concat"}:
        raise LoweringError(
            f"{called(node)}: joins two branches ({', '.join(inputs)})", remedy=BRANCHES
        )
    if node.op_type == "MultiThreshold":
        thresholds = model.constant(node, 1)
        if thresholds is None or thresholds.ndim != 2:
            raise LoweringError(
                f"{called(node)}: wanted constant thresholds (channels, steps)",
                remedy="store them in the file",
            )


def check_layer(model: IndexedModel, node: GraphNode) -> None:
    """A layer has constant float32 weights and known shapes. Raises LoweringError if it has not."""
    if node.op_type in TABLES:
        check_wiring(model, node)
        return
    weights = model.constant(node, 1)
    if weights is None:
        raise LoweringError(
            f"{called(node)}: wanted data @ constant weights, in this order",
            remedy="store the weights as constants, and transpose W·x to x·W",
        )
    if weights.dtype != np.float32:
        raise LoweringError(
            f"{called(node)}: wanted float32 weights, got {weights.dtype}",
            remedy="export in float32",
        )
    wanted = 4 if node.op_type == "Conv" else 2
    if weights.ndim != wanted:
        raise LoweringError(
            f"{called(node)}: wanted {wanted} weight dimensions, got {weights.ndim}",
            remedy="only fully connected layers and convolutions over (H, W), or along one axis,"
            " can be lowered",
        )
    shape = model.known_shape(node.input[0])
    if not shape or not model.known_shape(node.output[0]):
        raise LoweringError(
            f"{called(node)}: the shapes of its input and output are not known",
            remedy="export with fixed shapes",
        )
    if node.op_type != "Conv" and int(np.prod(shape[:-1])) != 1:
        raise LoweringError(
            f"{called(node)}: wanted one vector per image, got data of shape {tuple(shape)}",
            remedy="flatten the data before a fully connected layer; one that works on every pixel"
            " or step by itself is a 1x1 Conv on (N, C, H, W)",
        )


def check_pad(model: IndexedModel, node: GraphNode) -> None:
    """A Pad is right before a Conv. Raises LoweringError if it is not."""
    if {reader.op_type for reader in model.readers(node.output[0])} != {"Conv"}:
        raise LoweringError(
            f"{called(node)}: wanted an explicit Pad right before a Conv",
            remedy="let a pool pad itself (pads, which for a MaxPool never win)",
        )


def check_pool(model: IndexedModel, node: GraphNode) -> None:
    """A pool is over height and width of images. Raises LoweringError if it is not."""
    check_axes(model, node)
    shape = model.known_shape(node.input[0])
    if not shape or len(shape) != 4 or not model.known_shape(node.output[0]):
        raise LoweringError(
            f"{called(node)}: wanted to pool data of shape (N, C, H, W), got {tuple(shape or ())}",
            remedy="pool images (N, C, H, W), or rows (N, C, L)",
        )
    if len(node.output) > 1:
        raise LoweringError(
            f"{called(node)}: the positions of the maxima cannot be lowered",
            remedy="pool without return_indices",
        )


def check_axes(model: IndexedModel, node: GraphNode) -> None:
    """A ReduceMean or ReduceSum is over height and width, both in one node.

    Raises:
        LoweringError: it is not.
    """
    if node.op_type not in ("ReduceMean", "ReduceSum"):
        return
    constant = model.integers(node, 1)
    axes = None if constant is None else constant.tolist()
    if node.has("axes"):  # before opset 18, of a ReduceSum 13
        axes = list(node.integers("axes"))
    if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise LoweringError(
            f"{called(node)}: wanted to reduce height and width, got axes {axes}",
            remedy="reduce axes 2 and 3 of (N, C, H, W) in one node, as x.mean((2, 3)) does, or use"
            " a GlobalAveragePool",
        )


def check_channels(model: IndexedModel, barrier: GraphNode, node: GraphNode) -> None:
    """What `node` makes must have as many values as what the layer or pool gives."""
    if node.op_type in INPUT_ONLY:
        raise LoweringError(
            f"{called(node)}: rearranges or joins channels between layers",
            remedy="put the order of the channels into the weights of the layers before and behind"
            " it; branches meet in a Concat of integers",
        )
    before, after = model.shape(barrier.output[0]), model.known_shape(node.output[0])
    if after is None or (node.output[0] == model.result and not model.declares_result):
        raise LoweringError(
            f"{called(node)}: its output shape is not known",
            remedy="export with fixed shapes, and declare the graph's output with the type it has",
        )
    if after[:1] != [1] or np.prod(after) != np.prod(before):
        raise LoweringError(
            f"{called(node)}: wanted one value per output of {barrier.name}"
            f" ({tuple(before[1:])}), got shape {tuple(after)}",
            remedy="keep the batch as the first dimension, and broadcast constants to data only",
        )
