"""x·(s·W) → (x·W)·s: weights become ±1 and the sum becomes an exact integer.

The scale is per tensor or per output channel. FINN's FoldQuantWeights does so for quantiser nodes
only; in plain ONNX the scale is inside the weights.
"""

from typing import Any

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.errors import LoweringError
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.passes.edit import Inserter, index_of, matrix_of, per_channel, take_output
from bnnedge.lowering.structure import called, find_structure

_OTHER = (
    "binarise the weights (±s, one s per tensor or output channel: BinaryConv2d, BinaryLinear;"
    ' first_last = "binary" in a recipe)'
)
_FIRST = (
    f"{_OTHER}; a first layer on real numbers takes its input quantised to 8 bits or less"
    " (PixelInput, or Brevitas' QuantIdentity)"
)


class LiftWeightScales(Transformation):  # type: ignore[misc]
    """Raises LoweringError where weights are not ±s."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for index, node in enumerate(find_structure(model).layers):
            self._lift(model, node, _FIRST if index == 0 else _OTHER)
        return model, False

    def _lift(self, model: ModelWrapper, node: Any, remedy: str) -> None:
        kernel = model.get_initializer(node.input[1])
        weights = matrix_of(node, kernel)
        scale = np.abs(weights).max(axis=0)
        wrong = np.argwhere((np.abs(weights) != scale) | (weights == 0) | ~np.isfinite(weights))
        if wrong.size:
            row, channel = (int(i) for i in wrong[0])
            raise LoweringError(
                f"{called(node)}: weights are not bipolar: output channel {channel} has"
                f" {weights[row, channel]:.6g} at input {row}, wanted ±{scale[channel] or 1:.6g}",
                remedy=remedy,
            )
        if (scale == 1).all():
            return
        if not is_exact_factor(scale):
            self._notes.lifted.append(Lift(layer=node.name, what="weight scale"))
        inserter = Inserter(model, index_of(model, node) + 1)
        product, scaled = take_output(inserter, model, node)
        factor = scale[:1] if (scale == scale[0]).all() else per_channel(node, scale)
        node.input[1] = inserter.constant(np.sign(kernel).astype(np.float32))
        inserter.node("Mul", [product, inserter.constant(factor)], scaled, f"{node.name}_scale")
