"""Layers as typed values: ±1 weights, and what the graph does with their sums before anything else.

A matrix may have zeros where each of its rows is a sum of a few inputs only: those are sparse.

A layer is a MatMul, Gemm, XnorPopcountMatMul or Conv; whichever it is, its sums are those of ±1
weights, then scaled and shifted: x·(s·W) = (x·W)·s, and a ±1 sum is an exact integer where a ±s sum
is none. FINN's FoldQuantWeights does so for quantiser nodes only; in plain ONNX the scale is inside
the weights.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Window
from bnnedge.dataflow.nodes.lut_layer import MOST_INPUTS
from bnnedge.errors import LoweringError
from bnnedge.lowering.gather import Gather
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.tables import Tables, read_tables
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import window_of

Floats = NDArray[np.float32]
_OTHER = (
    "binarise the weights (±s, one s per tensor or output channel: BinaryConv2d, BinaryLinear;"
    ' first_last = "binary" in a recipe)'
)
_FIRST = (
    f"{_OTHER}; a first layer on real numbers takes its input quantised to 8 bits or less"
    " (PixelInput, or Brevitas' QuantIdentity)"
)


class Op(enum.Enum):
    """What a `Step` does in float32; the value is ONNX's name."""

    MUL = "Mul"
    ADD = "Add"
    DIV = "Div"


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One operation on what a point makes, in the order of the graph's own arithmetic.

    Attributes:
        op: what it does.
        value: float32 (C,), or (1,) for all channels.
        what: it is, for names.
        is_bias: whether the original adds it inside the layer's own sum.
    """

    op: Op
    value: Floats
    what: str
    is_bias: bool = False

    def run(self, values: Array) -> Floats:
        """(rows, C) → float32 (rows, C)."""
        match self.op:
            case Op.MUL:
                return np.asarray(values * self.value, np.float32)
            case Op.ADD:
                return np.asarray(values + self.value, np.float32)
            case Op.DIV:
                return np.asarray(values / self.value, np.float32)
            case _:
                assert_never(self.op)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One layer.

    Attributes:
        node: of the graph.
        kernel: float32 ±1, (MH, MW / groups per input, kernel height, kernel width) of a Conv, else
            (MH, MW); of a sparse matrix, 0 where a row does not take an input.
        groups: blocks of channels that see their own inputs only.
        window: of a Conv, with its own padding; None for a vector.
        steps: what the sums go through first: scale, correction, bias.
        tables: of a layer of tables, whose kernel is a +1 for each; else None.
    """

    node: GraphNode
    kernel: Floats
    groups: int
    window: Window | None
    steps: tuple[Step, ...]
    tables: Tables | None = None

    @property
    def name(self) -> str:
        """The node's."""
        return self.node.name

    @property
    def synapses(self) -> int:
        """Per output channel, at most."""
        return int(_synapses_of(self.kernel).max())

    @property
    def is_sparse(self) -> bool:
        """Whether rows of a matrix leave inputs out."""
        return not self.kernel.all()

    @property
    def is_uneven(self) -> bool:
        """Whether rows are sums of an odd, and others of an even number of ±1."""
        return len(np.unique(_synapses_of(self.kernel) % 2)) > 1

    @property
    def sums(self) -> Floats:
        """The sum of each output channel's weights, (MH,)."""
        sums: Floats = self.kernel.reshape(len(self.kernel), -1).sum(axis=1)
        return sums


@dataclass(kw_only=True, eq=False)
class _Draft:
    """A layer whose weights are still scaled."""

    kernel: Floats
    steps: list[Step]
    groups: int = 1
    window: Window | None = None
    tables: Tables | None = None


def read_layers(model: IndexedModel, structure: Structure, notes: Notes) -> tuple[Layer, ...]:
    """All layers of a graph, in their order.

    Raises:
        LoweringError: weights of layers are not ±s, or parameters no constants; names all of them.
    """
    drafts: dict[str, _Draft] = {}
    gather = Gather()
    for node in structure.layers:
        with gather.each():
            drafts[node.name] = _READERS[node.op_type](model, node, notes)
    gather.tell()
    real = [node for node in structure.layers if not _is_binary(drafts[node.name])]
    if len(real) == len(structure.layers) > 1:
        raise LoweringError(
            f"the graph has no binary layer: the weights of all {len(real)} layers, from"
            f" {called(real[0])} to {called(real[-1])}, take more than two values",
            remedy="train it with binary layers (BinaryConv2d and BinaryLinear of bnnedge.ops,"
            " or Brevitas' 1-bit layers); the lowering does not quantise",
        )
    layers: list[Layer] = []
    for number, node in enumerate(structure.layers):
        with gather.each():
            remedy = _OTHER if number else _FIRST
            draft, is_last = drafts[node.name], node.name == structure.tail.start.name
            if not (_has_bits(draft.kernel) or (_has_few(draft) and not is_last)):
                _refuse(node, draft.kernel.reshape(len(draft.kernel), -1).T, remedy, is_last)
            layers.append(_without_scale(node, draft, notes))
    gather.tell()
    return tuple(layers)


def _read_gemm(model: IndexedModel, node: GraphNode, notes: Notes) -> _Draft:
    """alpha·x·W + beta·b."""
    if node.integer("transA", 0):
        raise LoweringError(
            f"{called(node)}: transA mixes images", remedy="wanted x·W: export with transA = 0"
        )
    weights = model.floats(node, 1)
    alpha, beta = (np.float32(node.real(name, 1.0)) for name in ("alpha", "beta"))
    value = np.zeros(1, np.float32)
    if model.constant(node, 2) is not None:
        value = model.floats(node, 2).reshape(-1) * beta
    steps = []
    if alpha != 1:
        steps.append(Step(op=Op.MUL, value=alpha.reshape(1), what="alpha"))
    if value.any():
        steps.append(Step(op=Op.ADD, value=value, what="bias", is_bias=bool(alpha == 1)))
        if alpha != 1:
            notes.lifted.append(Lift(layer=node.name, what="bias"))
    if alpha != 1:
        notes.lifted.append(Lift(layer=node.name, what="alpha"))
    return _Draft(kernel=weights if node.integer("transB", 0) else weights.T, steps=steps)


def _read_matmul(model: IndexedModel, node: GraphNode, notes: Notes) -> _Draft:
    return _Draft(kernel=model.floats(node, 1).T, steps=[])


def _read_xnor(model: IndexedModel, node: GraphNode, notes: Notes) -> _Draft:
    """popcount(x XNOR w) = Σ x·(2w − 1) + MW − Σ w for x, w in {0, 1}."""
    weights = model.floats(node, 1)
    if not np.isin(weights, (0, 1)).all():
        raise LoweringError(
            f"{called(node)}: wanted weights 0 and 1",
            remedy="store bits: 1 stands for +1, 0 for -1",
        )
    zeros = (len(weights) - weights.sum(axis=0)).astype(np.float32)
    step = Step(op=Op.ADD, value=zeros, what="correct")
    return _Draft(kernel=(2 * weights - 1).astype(np.float32).T, steps=[step])


def _read_conv(model: IndexedModel, node: GraphNode, notes: Notes) -> _Draft:
    steps = []
    if len(node.input) > 2 and node.input[2]:
        bias = model.floats(node, 2)
        if bias.any():
            steps.append(Step(op=Op.ADD, value=bias, what="bias", is_bias=True))
    return _Draft(
        kernel=model.floats(node, 1),
        steps=steps,
        groups=node.integer("group", 1),
        window=window_of(model, node),
    )


def _read_tables(model: IndexedModel, node: GraphNode, notes: Notes) -> _Draft:
    tables = read_tables(model, node)
    ones = np.ones((len(tables.contents), 1), np.float32)
    return _Draft(kernel=ones, steps=[], tables=tables)


_READERS: dict[str, Callable[[IndexedModel, GraphNode, Notes], _Draft]] = {
    "Gemm": _read_gemm,
    "MatMul": _read_matmul,
    "XnorPopcountMatMul": _read_xnor,
    "Conv": _read_conv,
    "LutLayer": _read_tables,
}


def _without_scale(node: GraphNode, draft: _Draft, notes: Notes) -> Layer:
    """The layer with ±1 weights, and their scale as its first step."""
    kernel, steps = draft.kernel, tuple(draft.steps)
    is_sparse = not _has_bits(kernel)
    scale = np.abs(kernel).reshape(len(kernel), -1).max(axis=1)
    if is_sparse:
        scale[scale == 0] = 1  # a row of nothing is the sum of nothing
    if (scale != 1).any():
        if not is_exact_factor(scale[scale > 0]):
            notes.lifted.append(Lift(layer=node.name, what="weight scale"))
        value = scale[:1] if (scale == scale[0]).all() else scale
        steps = (Step(op=Op.MUL, value=value.astype(np.float32), what="scale"), *steps)
        ones = np.where(kernel < 0, np.float32(-1), np.float32(1))
        kernel = np.where(kernel == 0, np.float32(0), ones) if is_sparse else ones
    return Layer(
        node=node,
        kernel=kernel,
        groups=draft.groups,
        window=draft.window,
        steps=steps,
        tables=draft.tables,
    )


def _has_bits(kernel: Floats) -> bool:
    """Whether every row is ±s: s = 0 is a dead channel, whose weights do not matter."""
    magnitudes = np.abs(kernel).reshape(len(kernel), -1)
    return bool((magnitudes == magnitudes[:, :1]).all() and magnitudes.any())


def _is_binary(draft: _Draft) -> bool:
    return _has_bits(draft.kernel) or _has_few(draft)


def _has_few(draft: _Draft) -> bool:
    """Whether every row of a matrix has a few ±s, as many as a table has inputs, and else 0."""
    magnitudes = np.abs(draft.kernel)
    if draft.window is not None or not magnitudes.any():
        return False
    some = (magnitudes == 0) | (magnitudes == magnitudes.max(axis=1, keepdims=True))
    return bool(some.all() and _synapses_of(magnitudes).max() <= MOST_INPUTS)


def _synapses_of(kernel: Floats) -> NDArray[np.int64]:
    """Non-zero weights of every output channel, (MH,)."""
    counts: NDArray[np.int64] = (kernel.reshape(len(kernel), -1) != 0).sum(axis=1, dtype=np.int64)
    return counts


def _refuse(node: GraphNode, weights: Floats, remedy: str, is_last: bool) -> None:
    """Say what is wrong with weights (MW, MH) that are not ±s, or only a few ±s of each output."""
    magnitudes = np.abs(weights)
    if not weights.any():
        raise LoweringError(
            f"{called(node)}: all its weights are 0", remedy="export from an earlier checkpoint"
        )
    uneven = (magnitudes != magnitudes[:1]).any(axis=0)
    channel = int(np.flatnonzero(uneven)[0])
    column = magnitudes[:, channel]
    what = f"{called(node)}: weights are not bipolar: output channel {channel}"
    some = np.sort(column[column > 0])
    usual = some[len(some) // 2]
    row = int(np.flatnonzero(column != usual)[0])
    what += f" has {weights[row, channel]:.6g} at input {row}, wanted ±{usual:.6g}"
    zeros = int((weights == 0).sum())
    if np.isin(column, (0, usual)).all():
        what += f" ({zeros} of {weights.size} weights are 0"
        if (weights >= 0).all():
            what += ", and none is negative)"
        else:
            what += ": ternary, or the Sign of weights that are exactly 0)"
            few = (
                f"or keep at most {MOST_INPUTS} weights of each output of a MatMul or Gemm"
                f" (SparseLinear), got {np.count_nonzero(weights, axis=0).max()}"
            )
            if is_last:
                few = "a last layer has no zeros, for its sums are the result"
            remedy = f"binarise by x >= 0 (BipolarQuant), for Sign(0) is 0; {few}; {remedy}"
    elif (magnitudes == magnitudes[:, :1]).all():
        what += " (the scale differs from input to input)"
    elif (count := len(np.unique(column))) > 2:
        what += f" ({count} different magnitudes there: more than one bit)"
    raise LoweringError(what, remedy=remedy)
