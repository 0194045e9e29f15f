"""Layers of tables in a graph: what they must be, and how they are read.

A table is like a matrix of one row and column, +1: its sum is the ±1 that it gives. So whatever the
graph does with that is enumerated like what it does with sums, and goes into the table's entries.
A sum of a few ±1 with a threshold behind it is a table, too.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from bnnedge.dataflow.nodes.lut_layer import MOST_INPUTS
from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.vocabulary import TABLES, called

_REMEDY = "export bnnedge.ops.LutLayer again; the node is not what it writes"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """What a layer of tables holds.

    Attributes:
        wiring: int64 (M, k): inputs.
        contents: bool (M, 2^k), by the bits of the inputs; input j is bit j.
    """

    wiring: NDArray[np.int64]
    contents: NDArray[np.bool_]

    def rewired(self, places: NDArray[np.int64]) -> "Tables":
        """For inputs of which the i-th is at place `places[i]`."""
        return dataclasses.replace(self, wiring=places[self.wiring])

    def behind(self, threshold: NDArray[np.int64], invert: NDArray[np.bool_]) -> "Tables":
        """With (±1 >= threshold) ^ invert of every entry, (M,) each."""
        signs = 2 * self.contents.astype(np.int64) - 1
        contents = (signs >= threshold[:, None]) ^ invert[:, None]
        return dataclasses.replace(self, contents=contents)


def tables_of_sums(
    weights: NDArray[np.float32], threshold: NDArray[np.int64], invert: NDArray[np.bool_]
) -> Tables:
    """(Σ_j weights[m, j] · x[j] >= threshold[m]) ^ invert[m] by the ±1 inputs that it depends on.

    Args:
        weights: (M, C) of −1, 0 and 1, at most `MOST_INPUTS` of a row not 0. A row with fewer than
            others takes one of its inputs several times; its entries depend on the first only.
        threshold: (M,).
        invert: (M,).
    """
    rows, inputs = np.nonzero(weights)
    counts = np.bincount(rows, minlength=len(weights))
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    wiring, signs = np.zeros((2, len(weights), counts.max()), np.int64)
    wiring[rows, places], signs[rows, places] = inputs, weights[rows, inputs]
    wiring = np.where(signs == 0, wiring[:, :1], wiring)
    entries = np.arange(1 << counts.max())[:, None] >> np.arange(counts.max())
    sums = signs @ (2 * (entries & 1) - 1).T
    contents = (sums >= threshold[:, None]) ^ invert[:, None]
    return Tables(wiring=wiring, contents=contents)


def check_tables(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> None:
    """Refuse a node that is damaged, before any shapes are known.

    Raises:
        LoweringError: names the node.
    """
    if node.op_type not in TABLES:
        return
    arrays = []
    for what, kind, name in zip(
        ("wiring", "tables"), (np.int32, np.uint8), node.input[1:], strict=True
    ):
        if name not in constants:
            raise LoweringError(f"{called(node)}: wanted constant {what}", remedy=_REMEDY)
        arrays.append(array := onnx.numpy_helper.to_array(constants[name]))
        if array.dtype != kind or array.ndim != 2:
            raise LoweringError(
                f"{called(node)}: wanted {what} of two axes, {np.dtype(kind)}, got {array.dtype}"
                f" {array.shape}",
                remedy=_REMEDY,
            )
    wiring, tables = arrays
    wanted = (len(wiring), 1 << wiring.shape[1])
    if not len(wiring) or not 1 <= wiring.shape[1] <= MOST_INPUTS or tables.shape != wanted:
        raise LoweringError(
            f"{called(node)}: wanted tables of 1 to {MOST_INPUTS} inputs, got wiring"
            f" {wiring.shape} and tables {tables.shape}",
            remedy=_REMEDY,
        )
    if tables.max() > 1:
        raise LoweringError(f"{called(node)}: its tables hold more than 0 and 1", remedy=_REMEDY)


def check_wiring(model: IndexedModel, node: GraphNode) -> None:
    """Refuse wires to nowhere. Raises LoweringError."""
    wiring, shape = model.constants[node.input[1]], model.shape(node.input[0])
    if len(shape) != 2:
        raise LoweringError(
            f"{called(node)}: wanted one vector per image, got data of shape {tuple(shape)}",
            remedy="flatten the data in front of it",
        )
    if wiring.min() < 0 or wiring.max() >= shape[1]:
        raise LoweringError(
            f"{called(node)}: wanted wires to its {shape[1]} inputs, got {wiring.min()} to"
            f" {wiring.max()}",
            remedy=_REMEDY,
        )


def read_tables(model: IndexedModel, node: GraphNode) -> Tables:
    """What a checked node holds."""
    wiring, contents = (model.constants[name] for name in node.input[1:])
    return Tables(wiring=wiring.astype(np.int64), contents=contents > 0)


def require_two_sides(node: GraphNode, levels: tuple[float, float]) -> None:
    """Refuse two levels that no table tells apart. Raises LoweringError."""
    low, high = levels
    if not low <= 0 < high:
        raise LoweringError(
            f"{called(node)}: wanted inputs of which one is above 0, got {low:.6g} and {high:.6g}",
            remedy="binarise in front of it, to -1 and 1",
        )
