"""x·(s·W) → (x·W)·s: weights become ±1 and the sum becomes an exact integer.

The scale is per tensor or per output channel. FINN's FoldQuantWeights does so for quantiser nodes
only; in plain ONNX the scale is inside the weights.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.errors import LoweringError
from bnnedge.lowering.notes import Lift, Notes, is_exact_factor
from bnnedge.lowering.passes.edit import Inserter, index_of, matrix_of, per_channel, take_output
from bnnedge.lowering.structure import find_structure
from bnnedge.lowering.vocabulary import called

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
        layers = find_structure(model).layers
        real = [node for node in layers if not _has_bits(_weights(model, node))]
        if len(real) == len(layers) > 1:
            raise LoweringError(
                f"the graph has no binary layer: the weights of all {len(layers)} layers, from"
                f" {called(layers[0])} to {called(layers[-1])}, take more than two values",
                remedy="train it with binary layers (BinaryConv2d and BinaryLinear of bnnedge.ops,"
                " or Brevitas' 1-bit layers); the lowering does not quantise",
            )
        for index, node in enumerate(layers):
            self._lift(model, node, _FIRST if index == 0 else _OTHER)
        return model, False

    def _lift(self, model: ModelWrapper, node: Any, remedy: str) -> None:
        kernel = model.get_initializer(node.input[1])
        weights = matrix_of(node, kernel)
        scale = np.abs(weights).max(axis=0)
        if not _has_bits(weights):
            _refuse(node, weights, remedy)
        if (scale == 1).all():
            return
        if not is_exact_factor(scale):
            self._notes.lifted.append(Lift(layer=node.name, what="weight scale"))
        inserter = Inserter(model, index_of(model, node) + 1)
        product, scaled = take_output(inserter, model, node)
        factor = scale[:1] if (scale == scale[0]).all() else per_channel(node, scale)
        node.input[1] = inserter.constant(np.sign(kernel).astype(np.float32))
        inserter.node("Mul", [product, inserter.constant(factor)], scaled, f"{node.name}_scale")


def _weights(model: ModelWrapper, node: Any) -> NDArray[np.float32]:
    return matrix_of(node, model.get_initializer(node.input[1]))


def _has_bits(weights: NDArray[np.float32]) -> bool:
    """Whether every column is ±s, s > 0."""
    magnitudes = np.abs(weights)
    return bool((magnitudes == magnitudes[:1]).all() and (magnitudes[:1] > 0).all())


def _refuse(node: Any, weights: NDArray[np.float32], remedy: str) -> None:
    """Say what is wrong with weights (MW, MH) that are not ±s."""
    magnitudes = np.abs(weights)
    uneven = (magnitudes != magnitudes[:1]).any(axis=0) | (magnitudes[0] == 0)
    channel = int(np.flatnonzero(uneven)[0])
    column = magnitudes[:, channel]
    what = f"{called(node)}: weights are not bipolar: output channel {channel}"
    if not column.any():
        count = int((~magnitudes.any(axis=0)).sum())
        raise LoweringError(
            f"{what} has only zeros, as {count} of {len(uneven)} channels: a dead channel, as of a"
            " BatchNormalization of scale 0 that the export folded into the layer",
            remedy="remove the channel, or export without folding BatchNormalization into layers",
        )
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
            remedy = f"binarise by x >= 0 (BipolarQuant), for Sign(0) is 0; {remedy}"
    elif (magnitudes == magnitudes[:, :1]).all():
        what += " (the scale differs from input to input)"
    elif (count := len(np.unique(column))) > 2:
        what += f" ({count} different magnitudes there: more than one bit)"
    raise LoweringError(what, remedy=remedy)
