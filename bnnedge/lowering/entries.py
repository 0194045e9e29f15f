"""What a layer sees: bits or integers, how they are padded, and what that changes behind the layer.

A layer fed with {low, high} is one fed with ±1: x = half·b + mid with b = ±1, so
x·W = (b·W + mid/half·ΣW)·half. With low = −high, the usual case, mid is 0; with {0, s}, FINN's
BINARY, mid = half and the constant is an integer. A layer fed with multiples of a scale is one fed
with integers. What a Conv is padded with goes the same way: to −1 or +1, or it stays an exact 0.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, Window
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.layers import Layer, Op, Step
from bnnedge.lowering.layout import Layout
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.tables import Tables, require_two_sides
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import pad_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """How a layer takes its data.

    Attributes:
        element: of the stream in front of the layer.
        window: of a Conv, padded by all that pads it; None for a vector.
        fill: what it is padded with: a bit or an integer.
        is_exact: whether ±1 is padded with an exact 0, for which there is no bit.
        weights: float32 integers (MH, MW), in the order in which the stream's elements come.
        steps: what the graph does with the layer's sums first.
        tables: of a layer of tables, wired to the stream's elements; else None.
    """

    element: ElementType
    window: Window | None
    fill: int
    is_exact: bool
    weights: NDArray[np.float32]
    steps: tuple[Step, ...]
    tables: Tables | None = None


def entry_of_levels(
    model: IndexedModel,
    layer: Layer,
    pad: GraphNode | None,
    levels: tuple[float, float],
    layout: Layout,
    notes: Notes,
) -> Entry:
    """Of a layer that sees the two `levels`, arranged as `layout` says.

    Raises:
        LoweringError: it is padded with anything else, or its data are arranged in another way.
    """
    low, high = levels
    if layer.tables is not None:
        require_two_sides(layer.node, levels)
        return Entry(
            element=BIPOLAR,
            window=None,
            fill=0,
            is_exact=False,
            weights=layer.kernel,
            steps=(),
            tables=layer.tables.rewired(layout.at.reshape(-1)),
        )
    if np.abs(layer.kernel).max() > 1:
        raise LoweringError(
            f"{called(layer.node)}: its weights take more than -1, 0 and 1, and its inputs only"
            f" {low:.6g} and {high:.6g}",
            remedy="quantise its inputs to 2 bits or more, or its weights to 2 bits or less",
        )
    values = {low: -1.0, high: 1.0}
    if low == -high:
        values[0.0] = 0.0
    window, filler = _padded(model, layer, pad, values)
    steps: list[Step] = []
    if (low, high) != (-1.0, 1.0):
        half = np.float32((np.float64(high) - low) / 2)
        offset = np.zeros(1) if low == -high else np.sign(low + high) * layer.sums
        if np.any(offset):
            value = np.asarray(offset, np.float32)
            steps.append(Step(op=Op.ADD, value=value, what="offset"))
        steps.append(Step(op=Op.MUL, value=half.reshape(1), what="level"))
        if not is_exact_factor(np.array([high - low], np.float32)):
            notes.lifted.append(Lift(layer=layer.name, what="activation scale"))
    return Entry(
        element=BIPOLAR,
        window=window,
        fill=int(filler > 0),
        is_exact=filler == 0,
        weights=_weights(layer, layout),
        steps=(*steps, *layer.steps),
    )


def entry_of_integers(
    model: IndexedModel,
    layer: Layer,
    pad: GraphNode | None,
    scale: np.float32,
    integers: range,
    element: ElementType,
    layout: Layout,
    notes: Notes,
    offset: NDArray[np.float64] | None = None,
) -> Entry:
    """Of a layer that sees `integers` · `scale` + `offset`, (C,); see `entry_of_levels`.

    Σw·(k·s + b) = s·Σw·k + b·Σw, the last of which is a constant of the output channel where
    nothing is padded.
    """
    if layer.tables is not None:
        raise LoweringError(
            f"{called(layer.node)}: wanted bits, got integers",
            remedy="binarise in front of it, to -1 and 1",
        )
    values = {float(np.float32(k * np.float64(scale))): float(k) for k in integers}
    window, filler = _padded(model, layer, pad, values)
    steps: list[Step] = []
    shifts = offset is not None and bool(offset.any())
    if scale != 1:
        steps.append(Step(op=Op.MUL, value=scale.reshape(1), what="level"))
    if offset is not None and shifts:
        steps.append(Step(op=Op.ADD, value=_offset_of(layer, offset), what="offset"))
    if shifts or (scale != 1 and not is_exact_factor(np.array([scale], np.float32))):
        notes.lifted.append(Lift(layer=layer.name, what="activation scale"))
    return Entry(
        element=element,
        window=window,
        fill=0 if np.isnan(filler) else int(filler),
        is_exact=False,
        weights=_weights(layer, layout),
        steps=(*steps, *layer.steps),
    )


def _offset_of(layer: Layer, offset: NDArray[np.float64]) -> NDArray[np.float32]:
    """What an offset in each channel of the data adds to the sums, (MH,)."""
    rows = layer.kernel.astype(np.float64).reshape(len(layer.kernel), layer.kernel.shape[1], -1)
    per_channel = rows.sum(axis=2)
    if len(offset) == 1:
        return np.asarray(per_channel.sum(axis=1) * offset[0], np.float32)
    blocks = offset.reshape(layer.groups, -1)
    of_row = np.repeat(blocks, len(rows) // layer.groups, axis=0)
    return np.asarray((per_channel * of_row).sum(axis=1), np.float32)


def _weights(layer: Layer, layout: Layout) -> NDArray[np.float32]:
    """Any order in which a vector holds what was a feature map goes into the weights."""
    if layer.window is not None:
        if not layout.is_map:
            layout.refuse(layer.node)
        return layer.kernel.transpose(0, 2, 3, 1).reshape(len(layer.kernel), -1)
    places = layout.at.reshape(-1)
    if np.array_equal(places, np.arange(len(places))):
        return layer.kernel
    weights = np.empty_like(layer.kernel)
    weights[:, places] = layer.kernel
    return weights


def _padded(
    model: IndexedModel, layer: Layer, pad: GraphNode | None, values: Mapping[float, float]
) -> tuple[Window | None, float]:
    """The window with all padding, and `values[v]` where it pads with v; NaN where nothing does."""
    if layer.window is None:
        return None, np.nan
    amounts, value, place = layer.window.padding, 0.0, layer.node
    if pad is not None:
        explicit, given = pad_of(model, pad)
        if any(amounts) and any(explicit) and given != value:
            raise LoweringError(
                f"{called(layer.node)}: pads with 0 what {called(pad)} pads with {given:g}",
                remedy="pad once",
            )
        if any(explicit):
            top, left, bottom, right = (a + b for a, b in zip(amounts, explicit, strict=True))
            amounts, value, place = (top, left, bottom, right), given, pad
    window = dataclasses.replace(layer.window, padding=amounts)
    if not any(amounts):
        return window, np.nan
    if value not in values:
        wanted = [f"{v:g}" for v in sorted(values)]
        wanted = wanted if len(wanted) < 4 else [*wanted[:2], "…", *wanted[-1:]]
        raise LoweringError(
            f"{called(place)}: pads with {value:g}, which is none of {', '.join(wanted)}",
            remedy="pad with one of these, or let the Conv itself pad with 0",
        )
    return window, values[value]
