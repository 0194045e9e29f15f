"""What keeps a graph from being lowered whatever its layers are, found before anything runs it.

onnx, onnxruntime and qonnx trip over such graphs in ways that name something else, or end the
process. Here each is a line that names the node or tensor, and the way out.
"""

import numpy as np
import onnx
from onnx import TensorProto
from qonnx.custom_op.registry import getCustomOp, is_custom_op

from bnnedge.errors import LoweringError
from bnnedge.lowering.foreign_ops import RANDOM, why_refused
from bnnedge.lowering.gather import Gather
from bnnedge.lowering.tables import check_tables
from bnnedge.lowering.vocabulary import KNOWN_OPS, LAYERS, REWRITTEN_OPS, attribute, called

QONNX_INPUTS = {
    "BipolarQuant": 2,
    "MultiThreshold": 2,
    "XnorPopcountMatMul": 2,
    "Quant": 4,
    "IntQuant": 4,
    "LutLayer": 3,
}
_EVALUATE = "export in evaluation mode: call model.eval() before the export"
_ONE_TENSOR = "export the network alone: one float32 tensor in, the logits or the class out"
_DAMAGED = "the training diverged or the file is damaged: export from an earlier checkpoint"
_MAY_BE_INFINITE = {
    *("Clip", "Max", "Min", "Where", "Pad", "MultiThreshold", "Equal", "ThresholdedRelu"),
    *("Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
}
_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
_NO_NUMBERS = {
    TensorProto.UNDEFINED: "nothing known",
    TensorProto.STRING: "text",
    TensorProto.COMPLEX64: "complex numbers",
    TensorProto.COMPLEX128: "complex numbers",
}
_VALUES = {
    "sequence_type": "a sequence",
    "map_type": "a map",
    "optional_type": "an optional value",
    "sparse_tensor_type": "a sparse tensor",
    None: "of no type",
}


def check_network(model: onnx.ModelProto) -> None:
    """Refuse a graph that is none, of things that are no tensors, or of ops that are not known.

    Nodes that the output does not depend on are removed. Needs named nodes, ONNX's own domain
    called "", and no Constant nodes.

    Raises:
        LoweringError: names the node or tensor, and all such nodes.
    """
    graph = model.graph
    opset = model.opset_import[0].version
    source = _check_ends(graph)
    nodes = _sorted(graph)
    live = _needed(nodes, graph.output[0].name)
    del graph.node[:]
    graph.node.extend(live)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    data = {source}
    gather = Gather()
    for node in graph.node:
        is_of_data = data & set(node.input) and node.op_type not in ("Shape", "Size")
        with gather.each():
            _check_mode(node, opset, constants)
            if is_of_data:
                if node.op_type not in REWRITTEN_OPS:
                    _check_op(node, opset)
                _check_order(node, data)
            _check_domain(node)
            _check_signature(node, opset)
            _check_cast(node)
            _check_quantiser(node, constants)
            check_tables(node, constants)
        if is_of_data:
            data.update(node.output)
    gather.tell()
    _check_numbers(graph)


def check_ops(model: onnx.ModelProto) -> None:
    """Refuse what works on data and is still of the ops that only passes know."""
    gather = Gather()
    for node in model.graph.node:
        if node.op_type in REWRITTEN_OPS:
            with gather.each():
                _check_op(node, model.opset_import[0].version)
    gather.tell()


def _check_op(node: onnx.NodeProto, opset: int) -> None:
    """Refuse an op that works on data and that the lowering does not know."""
    if node.op_type not in KNOWN_OPS:
        why, remedy = why_refused(node.op_type, opset, KNOWN_OPS)
        raise LoweringError(f"{called(node)}: {why}", remedy=remedy)


def _check_domain(node: onnx.NodeProto) -> None:
    if node.domain and not is_custom_op(node.domain, node.op_type):
        raise LoweringError(
            f"{called(node)}: QONNX has no such op ({node.domain})",
            remedy=f"wanted one of {', '.join(QONNX_INPUTS)}, or an op of ONNX's own domain",
        )


def _check_order(node: onnx.NodeProto, data: set[str]) -> None:
    if node.op_type in LAYERS and node.input[0] not in data:
        raise LoweringError(
            f"{called(node)}: wanted data @ constant weights, in this order",
            remedy="store the weights as constants, and transpose W·x to x·W",
        )


def _check_mode(node: onnx.NodeProto, opset: int, constants: dict[str, TensorProto]) -> None:
    """Refuse what works only in a training, or at random."""
    if node.op_type in RANDOM:
        why, remedy = why_refused(node.op_type, opset, KNOWN_OPS)
        raise LoweringError(f"{called(node)}: {why}", remedy=remedy)
    training = ""
    if node.op_type == "BatchNormalization":
        outputs = [name for name in node.output if name]
        if attribute(node, "training_mode", 0) or len(outputs) > 1:
            training = "is in training mode: it normalises by the batch"
    elif node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        mode = constants.get(node.input[2])
        ratio = constants.get(node.input[1])
        nothing = ratio is not None and not onnx.numpy_helper.to_array(ratio).any()
        if mode is None or (onnx.numpy_helper.to_array(mode).any() and not nothing):
            training = "is in training mode: it drops values at random"
    if training:
        raise LoweringError(f"{called(node)}: {training}", remedy=_EVALUATE)


def _check_ends(graph: onnx.GraphProto) -> str:
    """The name of the one input; there is one output, and both are tensors of numbers."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if not inputs:
        raise LoweringError(
            "wanted one graph input, got none: everything in it is constant",
            remedy="export with the image, or the vector, as the input",
        )
    if len(inputs) > 1:
        _refuse_inputs(graph, inputs)
    if len(graph.output) > 1:
        names = ", ".join(value.name for value in graph.output)
        raise LoweringError(
            f"wanted one graph output, got {len(graph.output)} ({names})",
            remedy="keep the logits or the class",
        )
    for place, value in (("input", inputs[0]), ("output", graph.output[0])):
        kind = value.type.WhichOneof("value")
        if kind is None and place == "output":
            continue
        if kind != "tensor_type":
            what = _VALUES.get(kind, "of an unknown type")
            raise LoweringError(
                f"{place} {value.name} is {what}, wanted a tensor", remedy=_ONE_TENSOR
            )
        if place == "input" and value.type.tensor_type.elem_type in _NO_NUMBERS:
            what = _NO_NUMBERS[value.type.tensor_type.elem_type]
            raise LoweringError(
                f"input {value.name} holds {what}, wanted float32", remedy=_ONE_TENSOR
            )
    if graph.output[0].name == inputs[0].name:
        raise LoweringError(
            f"output {inputs[0].name} is the graph's input: no node works on it",
            remedy="wanted binary layers between input and output",
        )
    return str(inputs[0].name)


def _refuse_inputs(graph: onnx.GraphProto, inputs: list[onnx.ValueInfoProto]) -> None:
    names = ", ".join(value.name for value in inputs)
    what = f"wanted one graph input, got {len(inputs)} ({names})"
    for value in inputs:
        readers = [node for node in graph.node if value.name in node.input]
        if not readers:
            raise LoweringError(f"{what}: {value.name} is not used", remedy="remove it")
        node = readers[0]
        if node.op_type in ("MatMul", "Gemm", "Conv") and value.name in list(node.input)[1:]:
            raise LoweringError(
                f"{what}: {value.name} is a parameter of {called(node)}, and its values are not in"
                " the file",
                remedy="export with the parameters (export_params=True)",
            )
    raise LoweringError(
        what, remedy="wanted one image or vector: join them on the host, or keep one of them"
    )


def _sorted(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes in an order in which they can run; every tensor is made once."""
    makers: dict[str, str] = {}
    for value in (*graph.input, *graph.initializer):
        makers[value.name] = "the file"
    for node in graph.node:
        for name in node.output:
            if name and name in makers:
                raise LoweringError(
                    f"tensor {name} is made twice, by {makers[name]} and {called(node)}",
                    remedy="give every tensor a name of its own",
                )
            makers[name] = called(node)
    for node in graph.node:
        for name in node.input:
            if name and name not in makers:
                raise LoweringError(
                    f"{called(node)}: its input {name} is made by no node, and not stored",
                    remedy="export the whole network with its parameters",
                )
    if graph.output[0].name not in makers:
        raise LoweringError(
            f"output {graph.output[0].name} is made by no node",
            remedy="name the tensor with the logits, or with the class, as the output",
        )
    return _in_order(graph)


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Topological order, stable; linear in the number of nodes."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waiting = [{makers[name] for name in node.input if name in makers} for node in graph.node]
    readers: list[list[int]] = [[] for _ in graph.node]
    for index, before in enumerate(waiting):
        for maker in before:
            readers[maker].append(index)
    ready = [index for index, before in enumerate(waiting) if not before]
    order: list[int] = []
    while ready:
        order += ready
        following = []
        for index in ready:
            for reader in readers[index]:
                waiting[reader].discard(index)
                if not waiting[reader]:
                    following.append(reader)
        ready = following
    if len(order) < len(graph.node):
        node = next(graph.node[index] for index, before in enumerate(waiting) if before)
        raise LoweringError(
            f"{called(node)}: depends on what it makes itself",
            remedy="export a graph without loops",
        )
    return [graph.node[index] for index in order]


def _needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """Copies of the nodes that a tensor depends on, in their order."""
    needed, live = {output}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input)
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            live.append(copy)
    return live[::-1]


def _check_signature(node: onnx.NodeProto, opset: int) -> None:
    """As many inputs and outputs as the op has, and its attributes."""
    given = len(node.input)
    while given and not node.input[given - 1]:
        given -= 1
    if node.domain:
        wanted = QONNX_INPUTS.get(node.op_type, given)
        inputs, outputs = range(wanted, wanted + 1), range(1, 2)
        kinds = getCustomOp(node).get_nodeattr_types()
        required = {name for name, (_, needed, *_) in kinds.items() if needed}
        known = {*kinds, *(attribute.name for attribute in node.attribute)}
    elif onnx.defs.has(node.op_type, max_inclusive_version=opset):
        schema = onnx.defs.get_schema(node.op_type, max_inclusive_version=opset)
        inputs = range(schema.min_input, schema.max_input + 1)
        outputs = range(max(1, schema.min_output), schema.max_output + 1)
        required = {name for name, kind in schema.attributes.items() if kind.required}
        known = set(schema.attributes)
    elif node.op_type in QONNX_INPUTS:
        raise LoweringError(
            f"{called(node)}: is an op of QONNX, in ONNX's own domain",
            remedy="its domain should be qonnx.custom_op.general",
        )
    else:
        why, remedy = why_refused(node.op_type, opset, KNOWN_OPS)
        raise LoweringError(f"{called(node)}: {why}", remedy=remedy)
    there = {attribute.name for attribute in node.attribute}
    wrong = ""
    if given not in inputs:
        wrong = f"wanted {_span(inputs)} inputs, got {given}"
    elif len(node.output) not in outputs or not node.output[0]:
        wrong = f"wanted {_span(outputs)} outputs, got {', '.join(node.output) or 'none'}"
    elif there - known:
        wrong = f"has no attribute {min(there - known)} in opset {opset}"
    elif required - there:
        wrong = f"its attribute {min(required - there)} is missing"
    if wrong:
        raise LoweringError(
            f"{called(node)}: {wrong}",
            remedy="export it again; the node is not what ONNX or QONNX defines",
        )


def _span(numbers: range) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _check_cast(node: onnx.NodeProto) -> None:
    for given in node.attribute:
        if node.op_type == "Cast" and given.name == "to" and given.i in _NO_NUMBERS:
            raise LoweringError(
                f"{called(node)}: makes {_NO_NUMBERS[given.i]} of its data", remedy=_ONE_TENSOR
            )


def _check_quantiser(node: onnx.NodeProto, constants: dict[str, TensorProto]) -> None:
    """A quantiser divides by its scale, and has bits."""
    if node.op_type not in ("Quant", "IntQuant"):
        return
    for place, what in ((1, "scale"), (3, "bit width")):
        if node.input[place] not in constants:
            continue
        values = onnx.numpy_helper.to_array(constants[node.input[place]])
        wrong = values[~(values > 0)]
        if wrong.size:
            raise LoweringError(
                f"{called(node)}: its {what} is {wrong[0]:g}, wanted more than 0",
                remedy="export a quantiser that saw data: its scale is learned, or taken from them",
            )


def _check_numbers(graph: onnx.GraphProto) -> None:
    """No constant is NaN, none infinite but bounds, and no variance is negative."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    done: set[str] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in stored or stored[name].data_type not in _FLOATS:
                continue
            if name not in done:
                _check_finite(node, name, stored[name])
                done.add(name)
            if node.op_type == "BatchNormalization" and place == 4:
                variance = onnx.numpy_helper.to_array(stored[name]).astype(np.float32)
                epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
                wrong = np.flatnonzero(variance + np.float32(epsilon) <= 0)
                if wrong.size:
                    channel = int(wrong[0])
                    raise LoweringError(
                        f"{called(node)}: its variance (tensor {name}) is"
                        f" {variance[channel]:g} in channel {channel}, wanted more than 0",
                        remedy=_DAMAGED,
                    )


def _check_finite(node: onnx.NodeProto, name: str, tensor: TensorProto) -> None:
    values = onnx.numpy_helper.to_array(tensor)
    wrong = np.isnan(values)
    if node.op_type not in _MAY_BE_INFINITE:
        wrong |= np.isinf(values)
    if not wrong.any():
        return
    place = [int(i) for i in np.argwhere(wrong)[0]]
    value = "NaN" if np.isnan(values[wrong]).any() else "infinity"
    raise LoweringError(
        f"{called(node)}: its tensor {name} holds {value} in {int(wrong.sum())} of {values.size}"
        f" places, first at {place}",
        remedy=_DAMAGED,
    )
