"""A layer fed with {low, high}, or with multiples of a scale → the same layer fed with ±1, or with
integers, and what that changes behind it.

x = half·b + mid with b = ±1, so x·W = (b·W + mid/half·ΣW)·half. With low = −high, the usual case,
mid is 0; with {0, s}, FINN's BINARY, mid = half and the constant is an integer. What a Conv is
padded with goes the same way: to −1 or +1, or it stays an exact 0.
"""

from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.errors import LoweringError
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.passes.edit import (
    Inserter,
    index_of,
    matrix_of,
    per_channel,
    take_output,
)
from bnnedge.lowering.vocabulary import called
from bnnedge.lowering.windows import pad_of, set_attributes, window_of

_PAD_INPUTS = 11  # the opset since which a Pad takes its amounts as inputs


def lift_levels(
    model: ModelWrapper, pad: Any | None, layer: Any, low: float, high: float, notes: Notes
) -> None:
    """Insert the correction behind `layer`, whose input becomes ±1."""
    values = {low: -1.0, high: 1.0}
    if low == -high:
        values[0.0] = 0.0
    _pad(model, pad, layer, values)
    if (low, high) == (-1.0, 1.0):
        return
    half = np.float32((np.float64(high) - low) / 2)
    sums = matrix_of(layer, model.get_initializer(layer.input[1])).sum(axis=0)
    offset = np.zeros_like(sums) if low == -high else np.sign(low + high) * sums
    inserter = Inserter(model, index_of(model, layer) + 1)
    product, scaled = take_output(inserter, model, layer)
    if np.any(offset):
        added = inserter.tensor(list(model.get_tensor_shape(product)))
        constant = inserter.constant(per_channel(layer, offset))
        inserter.node("Add", [product, constant], added, f"{layer.name}_offset")
        product = added
    factor = inserter.constant(np.array([half], np.float32))
    inserter.node("Mul", [product, factor], scaled, f"{layer.name}_level")
    if not is_exact_factor(np.array([high - low], np.float32)):
        notes.lifted.append(Lift(layer=layer.name, what="activation scale"))


def lift_scale(
    model: ModelWrapper,
    pad: Any | None,
    layer: Any,
    scale: np.float32,
    integers: range,
    notes: Notes,
) -> None:
    """Insert a factor behind `layer`, whose input becomes the integers k of k · scale."""
    _pad(model, pad, layer, {float(np.float32(k * np.float64(scale))): float(k) for k in integers})
    if scale == 1:
        return
    inserter = Inserter(model, index_of(model, layer) + 1)
    product, scaled = take_output(inserter, model, layer)
    factor = inserter.constant(np.array([scale], np.float32))
    inserter.node("Mul", [product, factor], scaled, f"{layer.name}_level")
    if not is_exact_factor(np.array([scale], np.float32)):
        notes.lifted.append(Lift(layer=layer.name, what="activation scale"))


def _pad(model: ModelWrapper, pad: Any | None, layer: Any, values: dict[float, float]) -> None:
    """Pad with `values[v]` what is padded with v: by the Conv itself for 0, else by a Pad node."""
    if layer.op_type != "Conv":
        return
    amounts, value, place = window_of(model, layer).padding, 0.0, layer
    if pad is not None:
        explicit, given = pad_of(model, pad)
        if any(amounts) and any(explicit) and given != value:
            raise LoweringError(
                f"{called(layer)}: pads with 0 what {called(pad)} pads with {given:g}",
                remedy="pad once",
            )
        if any(explicit):
            amounts = tuple(a + b for a, b in zip(amounts, explicit, strict=True))  # type: ignore[assignment]
            value, place = given, pad
        layer.input[0] = pad.input[0]
        if not model.find_consumers(pad.output[0]):
            model.graph.node.remove(pad)
    if not any(amounts):
        return
    if value not in values:
        wanted = [f"{v:g}" for v in sorted(values)]
        wanted = wanted if len(wanted) < 4 else [*wanted[:2], "…", *wanted[-1:]]
        raise LoweringError(
            f"{called(place)}: pads with {value:g}, which is none of {', '.join(wanted)}",
            remedy="pad with one of these, or let the Conv itself pad with 0",
        )
    own = amounts if values[value] == 0 else (0, 0, 0, 0)
    set_attributes(layer, pads=list(own))
    if values[value] == 0:
        return
    inserter = Inserter(model, index_of(model, layer))
    shape = list(model.get_tensor_shape(layer.input[0]))
    top, left, bottom, right = amounts
    shape[2], shape[3] = shape[2] + top + bottom, shape[3] + left + right
    padded = inserter.tensor(shape)
    before = layer.input[0]
    sizes, filler = [0, 0, top, left, 0, 0, bottom, right], values[value]
    name = f"{layer.name}_pad"
    if model.model.opset_import[0].version < _PAD_INPUTS:
        inserter.node("Pad", [before], padded, name, mode="constant", pads=sizes, value=filler)
    else:
        constants = [
            inserter.constant(np.array(sizes, np.int64)),
            inserter.constant(np.array(filler, np.float32)),
        ]
        inserter.node("Pad", [before, *constants], padded, name, mode="constant")
    layer.input[0] = padded
