"""What does not fit together in a graph, once the shapes of its tensors are known."""

import math
from collections.abc import Iterable

import onnx

from bnnedge.errors import LoweringError
from bnnedge.lowering.vocabulary import RESHAPING, TOP_K, attribute, called


def check_windows(graph: onnx.GraphProto) -> None:
    """Refuse a node that gives no elements, as where a window is larger than its data."""
    shapes = _shapes(graph)
    for node in graph.node:
        if any(min(shapes.get(name) or (0,)) < 0 for name in node.output):
            raise LoweringError(
                f"{called(node)}: its window is larger than its data, {shapes.get(node.input[0])}",
                remedy="give larger images, pad, or take a smaller kernel",
            )


def check_fit(model: onnx.ModelProto, given: tuple[int, ...]) -> None:
    """Refuse layers that do not fit their data, and nodes whose output has no static shape.

    Args:
        model: tidy, shapes inferred.
        given: the shape of the graph's input in the file; 0 for what is dynamic.

    Raises:
        LoweringError: names the node.
    """
    graph = model.graph
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = constants | _shapes(graph)
    for node in graph.node:
        shape = shapes.get(node.input[0])
        weights = constants.get(node.input[1]) if len(node.input) > 1 else None
        if shape and weights is not None and node.op_type in ("Conv", "MatMul", "Gemm"):
            _check_layer(node, shape, weights, given)
            if len(node.input) > 2 and node.input[2] in constants:
                _check_bias(node, weights, constants[node.input[2]])
        if shape and weights is not None and (node.op_type, len(weights)) == ("MultiThreshold", 2):
            _check_thresholds(node, shape, weights[0])
        inputs = [shapes.get(name) for name in node.input if name]
        outputs = [shapes.get(name) for name in node.output if name]
        if None not in inputs and None in outputs and node.op_type not in TOP_K:
            _refuse_unknown(node, inputs, model)
        made = outputs[0]
        if node.op_type in RESHAPING and shape and made and math.prod(shape) != math.prod(made):
            raise LoweringError(
                f"{called(node)}: makes {made} of data {shape}",
                remedy=_remedy(given) or "export it again, with a fixed input shape",
            )


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """What was inferred, by tensor; () for an output that is declared with another type."""
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape") or value in graph.output
    }


def _check_layer(
    node: onnx.NodeProto, shape: tuple[int, ...], weights: tuple[int, ...], given: tuple[int, ...]
) -> None:
    """Ranks and channels of the data and the weights of a layer."""
    fits = True
    if node.op_type == "Conv":
        groups = attribute(node, "group", 1)
        if groups < 1 or weights[0] % groups:
            raise LoweringError(
                f"{called(node)}: wanted a group that divides its {weights[0]} output channels, got"
                f" {groups}",
                remedy="export it again",
            )
        fits = len(shape) == len(weights)
        wanted, got = weights[1] * groups, shape[1] if len(shape) > 1 else 0
    elif len(weights) == 2 and shape[0] == 1:
        wanted, got = weights[1 if attribute(node, "transB", 0) else 0], shape[-1]
    else:
        return  # refused by the node that made such data
    if fits and wanted == got:
        return
    if fits and node.op_type == "Conv" and shape[-1] == wanted:
        remedy = "channels come first, (N, C, H, W): transpose data that have them last"
    else:
        remedy = _remedy(given) or "export it again; its weights and data do not fit"
    if not fits:
        form = "(N, C, H, W)" if len(weights) == 4 else f"of {len(weights)} dimensions"
        raise LoweringError(f"{called(node)}: wanted data {form}, got {shape}", remedy=remedy)
    raise LoweringError(
        f"{called(node)}: its weights want {wanted} channels, its data {shape} have {got}",
        remedy=remedy,
    )


def _check_thresholds(node: onnx.NodeProto, shape: tuple[int, ...], rows: int) -> None:
    if rows not in (1, shape[1 % len(shape)], shape[-1]):
        raise LoweringError(
            f"{called(node)}: has thresholds for {rows} channels, its data have shape {shape}",
            remedy="give thresholds (channels, steps), or (1, steps) for all channels",
        )


def _check_bias(node: onnx.NodeProto, weights: tuple[int, ...], bias: tuple[int, ...]) -> None:
    transposed = node.op_type == "Conv" or attribute(node, "transB", 0)
    rows = weights[0] if transposed else weights[-1]
    shapes = [(rows,)] if node.op_type == "Conv" else [(), (1,), (1, 1), (rows,), (1, rows)]
    if bias not in shapes:
        raise LoweringError(
            f"{called(node)}: wanted a bias for its {rows} outputs, got shape {bias}",
            remedy="export it again",
        )


def _remedy(given: tuple[int, ...]) -> str | None:
    """What to do where the input's first dimension may be no batch."""
    if given[0] in (0, 1):
        return None
    return (
        f"the first dimension of the input, {given}, is taken as the batch: export with inputs of"
        " shape (batch, …)"
    )


def _refuse_unknown(
    node: onnx.NodeProto, inputs: Iterable[tuple[int, ...] | None], model: onnx.ModelProto
) -> None:
    shapes = ", ".join(map(str, inputs))
    raise LoweringError(
        f"{called(node)}: its output shape is not known, from data {shapes}{_why(node, model)}",
        remedy="wanted static shapes, and constants and attributes that fit the data",
    )


def _why(node: onnx.NodeProto, model: onnx.ModelProto) -> str:
    """What onnx says of a node alone; its inference on a graph keeps it to itself."""
    names = [name for name in node.input if name]
    constants = [tensor for tensor in model.graph.initializer if tensor.name in names]
    known = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    values = [value for value in known if value.name in names]
    graph = onnx.helper.make_graph([node], "node", values, [], constants)
    alone = onnx.helper.make_model(graph, opset_imports=list(model.opset_import))
    try:
        onnx.shape_inference.infer_shapes(alone, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        why = str(error).strip().rsplit(": ", 1)[-1].splitlines()[0]
        return f" ({why.removeprefix('[ShapeInferenceError] ')[:100]})"
    return ""
