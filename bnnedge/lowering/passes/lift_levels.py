"""A layer fed with {low, high} → the same layer fed with ±1, and what that changes behind it.

x = half·b + mid with b = ±1, so x·W = (b·W + mid/half·ΣW)·half. With low = −high, the usual case,
mid is 0; with {0, s}, FINN's BINARY, mid = half and the constant is an integer.
"""

from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.passes.edit import Inserter, index_of, take_output


def lift_levels(model: ModelWrapper, layer: Any, low: float, high: float, notes: Notes) -> None:
    """Insert the correction behind `layer`, whose input becomes ±1."""
    if (low, high) == (-1.0, 1.0):
        return
    half = np.float32((np.float64(high) - low) / 2)
    sums = model.get_initializer(layer.input[1]).sum(axis=0)
    offset = 0.0 if low == -high else np.sign(low + high) * sums
    inserter = Inserter(model, index_of(model, layer) + 1)
    product, scaled = take_output(inserter, model, layer)
    if np.any(offset):
        added = inserter.tensor(list(model.get_tensor_shape(product)))
        constant = inserter.constant(np.asarray(offset, np.float32))
        inserter.node("Add", [product, constant], added, f"{layer.name}_offset")
        product = added
    factor = inserter.constant(np.array([half], np.float32))
    inserter.node("Mul", [product, factor], scaled, f"{layer.name}_level")
    if not is_exact_factor(np.array([high - low], np.float32)):
        notes.lifted.append(Lift(layer=layer.name, what="activation scale"))
