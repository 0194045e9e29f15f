"""Layers as typed values: small integer weights, and what the graph does with their sums first.

Weights are ±1, mostly; 0 is no synapse, and more than 1 wants integer inputs.

A layer is a MatMul, Gemm, XnorPopcountMatMul or Conv; whichever it is, its sums are those of
integer weights, then scaled and shifted: x·(s·W) = (x·W)·s, and a sum of integers is exact where
one of multiples of s is not. FINN's FoldQuantWeights does so for quantiser nodes only; in plain
ONNX the scale is inside the weights.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Window
from bnnedge.dataflow.nodes.integer_mvu import MOST_MAGNITUDE
from bnnedge.dataflow.nodes.lut_layer import MOST_INPUTS
from bnnedge.errors import LoweringError
from bnnedge.lowering.gather import Gather
from bnnedge.lowering.grid import Grid, grid_of
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.structure import Structure
from bnnedge.lowering.tables import Tables, read_tables
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import window_of

Floats = NDArray[np.float32]
_OTHER = (
    "binarise the weights (±s, one s per tensor or output channel: BinaryConv2d, BinaryLinear;"
    ' first_last = "binary" in a recipe), or quantise them to 4 bits or less'
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
        kernel: float32 integers, (MH, MW / groups per input, kernel height, kernel width) of a
            Conv, else (MH, MW).
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
    def reach(self) -> int:
        """The largest sum of a row's magnitudes."""
        return int(self._reaches.max())

    @property
    def is_uneven(self) -> bool:
        """Whether rows are sums of an odd, and others of an even number of ±1."""
        return len(np.unique(self._reaches % 2)) > 1

    @property
    def is_sparse(self) -> bool:
        """Whether rows leave inputs out."""
        return not self.kernel.all()

    @property
    def has_few(self) -> bool:
        """Whether every row of a matrix with zeros is ±1 of as few inputs as a table has."""
        few = np.count_nonzero(self.kernel.reshape(len(self.kernel), -1), axis=1) <= MOST_INPUTS
        ternary = np.abs(self.kernel).max() == 1
        return self.window is None and self.is_sparse and bool(few.all() and ternary)

    @property
    def _reaches(self) -> NDArray[np.int64]:
        magnitudes = np.abs(self.kernel.reshape(len(self.kernel), -1))
        reaches: NDArray[np.int64] = magnitudes.sum(axis=1).astype(np.int64)
        return reaches

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
    grids = {name: grid_of(draft.kernel) for name, draft in drafts.items()}
    real = [node for node in structure.layers if grids[node.name] is None]
    if len(real) == len(structure.layers) > 1:
        raise LoweringError(
            f"the graph has no layer of few bits: the weights of all {len(real)} layers, from"
            f" {called(real[0])} to {called(real[-1])}, take more values than ±{MOST_MAGNITUDE}·s",
            remedy="train it with binary layers (BinaryConv2d and BinaryLinear of bnnedge.ops,"
            " or Brevitas' layers of few bits); the lowering does not quantise",
        )
    layers: list[Layer] = []
    for number, node in enumerate(structure.layers):
        with gather.each():
            draft, grid = drafts[node.name], grids[node.name]
            if grid is None:
                remedy = _OTHER if number else _FIRST
                _refuse(node, draft.kernel.reshape(len(draft.kernel), -1).T, remedy)
            layers.append(_read_layer(node, draft, grid, notes))
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


def _read_layer(node: GraphNode, draft: _Draft, grid: Grid, notes: Notes) -> Layer:
    """The layer with integer weights, and their scale as its first step."""
    scale, steps = grid.scale, tuple(draft.steps)
    if (scale != 1).any():
        if not is_exact_factor(scale[scale > 0]):
            notes.lifted.append(Lift(layer=node.name, what="weight scale"))
        value = scale[:1] if (scale == scale[0]).all() else scale
        steps = (Step(op=Op.MUL, value=value, what="scale"), *steps)
    return Layer(
        node=node,
        kernel=grid.integers,
        groups=draft.groups,
        window=draft.window,
        steps=steps,
        tables=draft.tables,
    )


def _refuse(node: GraphNode, weights: Floats, remedy: str) -> NoReturn:
    """Say what is wrong with weights (MW, MH) that are on no grid."""
    if not weights.any():
        raise LoweringError(
            f"{called(node)}: all its weights are 0", remedy="export from an earlier checkpoint"
        )
    magnitudes = np.abs(weights)
    without = [grid_of(column[None]) is None and bool(column.any()) for column in magnitudes.T]
    channel = without.index(True)
    column = magnitudes[:, channel]
    some = np.sort(column[column > 0])
    usual = some[len(some) // 2]
    row = int(np.flatnonzero(column != usual)[0])
    what = (
        f"{called(node)}: weights are not of few bits: output channel {channel} has"
        f" {weights[row, channel]:.6g} at input {row}, wanted ±{usual:.6g}, or all of them k·s with"
        f" one s and k up to ±{MOST_MAGNITUDE}"
    )
    if (magnitudes == magnitudes[:, :1]).all():
        what += " (the scale differs from input to input)"
    elif (count := len(np.unique(column))) > 2:
        what += f" ({count} different magnitudes there)"
    raise LoweringError(what, remedy=remedy)
