"""A parsed model, made small and static: batch 1, shapes inferred, constants folded.

What qonnx's cleanup passes do, each once and in time linear in the number of nodes; they search
lists for every tensor, and repeat each other.
"""

import functools
import math
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
import onnx.inliner
from onnx import numpy_helper
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError
from bnnedge.lowering.batch import fix_batch
from bnnedge.lowering.execute import QONNX_DOMAIN, execute_by_qonnx
from bnnedge.lowering.fit import check_fit, check_windows
from bnnedge.lowering.foreign_ops import why_domain_refused
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.infer_shapes import infer_anew, infer_shapes
from bnnedge.lowering.limits import check_graph, check_shapes
from bnnedge.lowering.obstacles import check_network, check_ops
from bnnedge.lowering.origins import Origins, names_of
from bnnedge.lowering.passes.absorb_pads import absorb_pads
from bnnedge.lowering.passes.channels_first import put_channels_first, read_channels_last
from bnnedge.lowering.passes.declare_input import declare_input
from bnnedge.lowering.passes.drop_straight_through import drop_straight_through
from bnnedge.lowering.passes.lift_rows import lift_rows
from bnnedge.lowering.passes.merge_reductions import merge_reductions, read_maxima
from bnnedge.lowering.passes.read_qcdq import read_qcdq
from bnnedge.lowering.passes.read_trunc import read_trunc
from bnnedge.lowering.passes.resolve_ceil_mode import resolve_ceil_mode
from bnnedge.lowering.vocabulary import ELEMENTWISE, attribute, called
from bnnedge.names import CUSTOM_OPS

_QONNX_ALIASES = {"finn", "finn.custom_op.general", "onnx.brevitas", QONNX_DOMAIN}
_QONNX_OPS = {
    *("BipolarQuant", "MultiThreshold", "XnorPopcountMatMul"),
    *("Quant", "IntQuant", "Trunc", "FloatQuant"),
}
_OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
_CONSTANTS_ALONE = 4  # the IR version since which constants need not be inputs
_COMMUTATIVE = {"Add", "Mul", "And", "Or", "Xor", "Sum"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of a graph and why it is where it is.

    Attributes:
        run: changes the model, or gives another one.
        why: the reason.
    """

    run: Callable[[onnx.ModelProto], onnx.ModelProto | None]
    why: str

    @property
    def name(self) -> str:
        """What it does, in a word."""
        return self.run.__name__.lstrip("_")


def clean_up(model: onnx.ModelProto, until: str | None = None) -> tuple[onnx.ModelProto, Origins]:
    """A clean copy of a model, and where its nodes are.

    Args:
        model: as it was read.
        until: the last step to do; None does all.

    Raises:
        LoweringError: names what does not fit, and why.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(inlined(model))
    check_graph(copy.graph)
    origins = Origins.of(copy.graph.node)
    stored = {tensor.name for tensor in copy.graph.initializer}
    given = [
        tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in copy.graph.input
        if value.name not in stored
    ]
    for step in STEPS:
        copy = step.run(copy) or copy
        origins.follow(step.name, copy.graph.node)
        if step.name == until:
            return copy, origins
    check_fit(copy, given[0])
    return copy, origins


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without functions; of ops of bnnedge's own the node is what is read."""
    if not model.functions:
        return model
    others = onnx.ModelProto()
    others.CopyFrom(model)
    del others.functions[:]
    others.functions.extend(one for one in model.functions if one.domain != CUSTOM_OPS)
    return onnx.inliner.inline_local_functions(others)


def _graph_step(run: Callable[[onnx.GraphProto], None]) -> Callable[[onnx.ModelProto], None]:
    @functools.wraps(run)
    def step(model: onnx.ModelProto) -> None:
        run(model.graph)

    return step


def _check_opset(model: onnx.ModelProto) -> None:
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    version = opsets.get("", opsets.get("ai.onnx", 0))
    if version not in _OPSETS:
        raise LoweringError(
            f"the graph is of ONNX opset {version}, wanted {_OPSETS.start} to {_OPSETS.stop - 1}",
            remedy="export it with opset_version=17, or convert it with onnx.version_converter",
        )
    # qonnx reads the first entry as ONNX's own.
    others = [(o.domain, o.version) for o in model.opset_import if o.domain not in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", version))
    for domain, other in others:
        model.opset_import.append(onnx.helper.make_opsetid(domain, other))


def _name_nodes(graph: onnx.GraphProto) -> None:
    for node, name in zip(graph.node, names_of(graph.node), strict=True):
        node.name = name


def _normalise_domains(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type in _QONNX_OPS and node.domain in _QONNX_ALIASES:
            node.domain = QONNX_DOMAIN
        elif node.domain == "ai.onnx":
            node.domain = ""
        if node.domain not in ("", QONNX_DOMAIN, CUSTOM_OPS):
            why, remedy = why_domain_refused(node.domain)
            raise LoweringError(f"{called(node)}: {why}", remedy=remedy)
    if QONNX_DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(onnx.helper.make_opsetid(QONNX_DOMAIN, 2))


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    """torch's older exporter writes Constant nodes; `_rebatch` looks for initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute]:
        attribute = node.attribute[0]
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.name in ("value_float", "value_floats"):
            value = onnx.numpy_helper.from_array(np.asarray(value, np.float32))
        elif attribute.name in ("value_int", "value_ints"):
            value = onnx.numpy_helper.from_array(np.asarray(value, np.int64))
        elif attribute.name != "value":
            raise LoweringError(
                f"{called(node)}: wanted a dense tensor of numbers, got {attribute.name}",
                remedy="store dense tensors of numbers",
            )
        value.name = node.output[0]
        graph.initializer.append(value)
        graph.node.remove(node)


def _write_kernel_shapes(graph: onnx.GraphProto) -> None:
    """Let every Conv by constants say its kernel's shape: onnx compares it with the data's rank.

    Without it, shape inference reads beyond the data's dimensions.
    """
    sizes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        known = [name for name in node.input if name in sizes]
        if node.op_type == "Conv" and len(node.input) > 1 and node.input[1] in sizes:
            size = sizes[node.input[1]]
            if len(size) < 3:
                raise LoweringError(
                    f"{called(node)}: wanted 4 weight dimensions, got {len(size)}",
                    remedy="wanted kernels (output channels, input channels, H, W)",
                )
            if get_by_name(node.attribute, "kernel_shape") is None:
                node.attribute.append(onnx.helper.make_attribute("kernel_shape", list(size[2:])))
        elif node.op_type in ELEMENTWISE and known == [name for name in node.input if name]:
            sizes[node.output[0]] = max((sizes[name] for name in known), key=math.prod)


def _resolve_ceil_modes(model: onnx.ModelProto) -> onnx.ModelProto:
    """From the first pool on, for the sizes behind a pool depend on it."""
    while True:
        pools = [node for node in model.graph.node if attribute(node, "ceil_mode", 0)]
        indexed = IndexedModel(proto=model)
        shape = indexed.known_shape(pools[0].input[0]) if pools else None
        if not pools or not shape or len(shape) != 4:
            return model
        resolve_ceil_mode(indexed, pools[0])
        model = infer_anew(model)


def _remove_static_inputs(model: onnx.ModelProto) -> None:
    """Constants that are declared as inputs, as they all had to be before IR version 4."""
    stored = {tensor.name for tensor in model.graph.initializer}
    _replace(model.graph.input, [one for one in model.graph.input if one.name not in stored])
    model.ir_version = max(model.ir_version, _CONSTANTS_ALONE)


def sort_by_level(graph: onnx.GraphProto) -> None:
    """By the longest way from the input or a constant, as qonnx's SortGraph: names depend on it."""
    levels: dict[str, int] = {}
    keys = []
    for index, node in enumerate(graph.node):
        level = max((levels[name] for name in node.input if name in levels), default=-1) + 1
        levels.update({name: level for name in node.output if name})
        keys.append((level, index))
    if keys != sorted(keys):
        _replace(graph.node, [graph.node[index] for _, index in sorted(keys)])


def _sort_again(graph: onnx.GraphProto) -> None:
    sort_by_level(graph)


def _fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights behind a BipolarQuant, a Sign or a Transpose are constants like any other."""
    while _fold_known(model):
        model = infer_anew(model)
        if not any(node.op_type == "Shape" for node in model.graph.node):
            break  # what is known of a shape may make others known
    return model


def _fold_known(model: onnx.ModelProto) -> bool:
    """Fold all nodes of known operands; whether there were any."""
    graph = model.graph
    shapes = {value.name: value for value in (*graph.value_info, *graph.input, *graph.output)}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        known = all(name in constants for name in node.input)
        data = shapes.get(node.input[0]) if node.input else None
        if not known and not (node.op_type == "Shape" and _is_static(data)):
            kept.append(node)
            continue
        context = {name: constants[name] for name in node.input if name in constants}
        if data is not None and not known:
            dims = [dim.dim_value for dim in data.type.tensor_type.shape.dim]
            context[node.input[0]] = np.zeros(dims, np.float32)
        made = execute_by_qonnx(node, context, shapes, model.opset_import[0].version)
        name = node.output[0]
        constants[name] = made[name]
        graph.initializer.append(numpy_helper.from_array(made[name], name))
    folds = len(kept) < len(graph.node)
    _replace(graph.node, kept)
    return folds


def _is_static(value: onnx.ValueInfoProto | None) -> bool:
    if value is None or not value.type.tensor_type.HasField("shape"):
        return False
    return all(dim.dim_value > 0 for dim in value.type.tensor_type.shape.dim)


def _split_shared_constants(graph: onnx.GraphProto) -> None:
    """A node's constants are its own: they are cut down to one pixel, by name."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    taken = {*stored, *(name for node in graph.node for name in (*node.input, *node.output))}
    seen: set[str] = set()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in stored and name in seen:
                number = 0
                while (own := f"{name}_{number}") in taken:
                    number += 1
                taken.add(own)
                copy = graph.initializer.add()
                copy.CopyFrom(stored[name])
                copy.name = node.input[place] = own
            seen.add(name)


def _constants_last(graph: onnx.GraphProto) -> None:
    """In operations whose operands commute."""
    stored = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _COMMUTATIVE:
            node.input[:] = sorted(node.input, key=lambda name: name in stored)


def _remove_unused(graph: onnx.GraphProto) -> None:
    """Nodes and constants that the output does not depend on."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    if len(kept) < len(graph.node):
        _replace(graph.node, kept[::-1])
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    made = needed | {name for node in graph.node for name in node.output}
    values = [value for value in graph.value_info if value.name in made]
    for field, items in ((graph.initializer, tensors), (graph.value_info, values)):
        if len(items) < len(field):
            _replace(field, items)


_Message = TypeVar("_Message", onnx.NodeProto, onnx.TensorProto, onnx.ValueInfoProto)


def _replace(field: MutableSequence[_Message], items: list[_Message]) -> None:
    """Let a repeated field hold some of its items."""
    copies = []
    for item in items:
        copy = type(item)()
        copy.CopyFrom(item)
        copies.append(copy)
    del field[:]
    field.extend(copies)


def _forget_annotations(graph: onnx.GraphProto) -> None:
    del graph.quantization_annotation[:]


def _rewriting(run: Callable[[onnx.ModelProto], bool]) -> Callable[..., onnx.ModelProto | None]:
    """A pass that needs shapes, and after which they are inferred anew."""

    @functools.wraps(run)
    def step(model: onnx.ModelProto) -> onnx.ModelProto | None:
        if not run(model):
            return None
        _remove_unused(model.graph)
        return infer_anew(model)

    return step


def _wiring(run: Callable[[onnx.ModelProto], bool]) -> Callable[[onnx.ModelProto], None]:
    """A pass that needs none, before they are inferred."""

    @functools.wraps(run)
    def step(model: onnx.ModelProto) -> None:
        if run(model):
            _remove_unused(model.graph)

    return step


def _check_inferred(model: onnx.ModelProto) -> None:
    check_shapes(model.graph)
    check_windows(model.graph)


STEPS = (
    Step(run=_graph_step(_name_nodes), why="errors cite names"),
    Step(run=_check_opset, why="what follows asks onnx what the opset has"),
    Step(run=_wiring(read_channels_last), why="one domain less, and one layout"),
    Step(run=_normalise_domains, why="one name for QONNX's ops"),
    Step(run=_graph_step(_constants_to_initializers), why="one form of constants"),
    Step(run=check_network, why="what no step could do anything with; dead nodes go"),
    Step(run=_wiring(read_qcdq), why="quantisers have one form, and give floats"),
    Step(run=_wiring(read_trunc), why="the same"),
    Step(run=_wiring(drop_straight_through), why="weights have it, too, and are folded"),
    Step(run=_graph_step(_write_kernel_shapes), why="shape inference reads beyond the data"),
    Step(run=_remove_static_inputs, why="constants are no inputs"),
    Step(run=_graph_step(sort_by_level), why="one order, whatever the exporter's"),
    Step(run=fix_batch, why="one image; constants that hold the batch follow"),
    Step(run=infer_shapes, why="folding needs them"),
    Step(run=_check_inferred, why="before anything runs"),
    Step(run=_rewriting(lift_rows), why="windows lie on height and width"),
    Step(run=_resolve_ceil_modes, why="a window has one form of padding"),
    Step(run=_fold_constants, why="what is left works on data"),
    Step(run=_rewriting(merge_reductions), why="pools work on height and width at once"),
    Step(run=_rewriting(put_channels_first), why="and have channels first"),
    Step(run=_rewriting(read_maxima), why="a maximum of all pixels is a pool"),
    Step(run=_rewriting(absorb_pads), why="a window has one form of padding"),
    Step(run=check_ops, why="what no pass could read"),
    Step(run=_graph_step(_sort_again), why="constants had levels, too"),
    Step(run=_graph_step(_split_shared_constants), why="regions cut constants down, by name"),
    Step(run=_graph_step(_constants_last), why="data come first"),
    Step(run=_graph_step(_remove_unused), why="the constants of what was folded"),
    Step(run=declare_input, why="what an annotation says of the input, a node says"),
    Step(run=_graph_step(_forget_annotations), why="they are claims; what is relied on is derived"),
)
