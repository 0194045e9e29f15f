"""Everything between two layers → Mul by ±1 and one integer MultiThreshold.

Replaces FINN's BatchNormToAffine, Absorb{Add,Mul}IntoMultiThreshold, ConvertSignToThres and
RoundAndClipThresholds, which fold in float32 and then round the threshold up: at an accumulator
where the original's own rounding decides, the folded threshold is off by one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import called, find_chain
from bnnedge.lowering.config import SignZero
from bnnedge.lowering.execute import Runner, Tensors
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.passes.edit import Inserter, index_of, remove
from bnnedge.lowering.passes.lift_levels import lift_levels
from bnnedge.lowering.thresholds import enumerate_region, threshold_of, two_levels


class AbsorbRegions(Transformation):  # type: ignore[misc]
    """Needs ±1 weights and a ±1 input of the first layer.

    Raises LoweringError where a region is no binariser, not monotone, or gives a Sign an exact 0.
    """

    def __init__(self, sign_zero: SignZero, notes: Notes) -> None:
        super().__init__()
        self._sign_zero = sign_zero
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for index in range(len(find_chain(model).layers) - 1):
            self._absorb(model, index)
        return model, False

    def _absorb(self, model: ModelWrapper, index: int) -> None:
        chain = find_chain(model)
        layer, following, region = (
            chain.layers[index],
            chain.layers[index + 1],
            chain.regions[index],
        )
        if not region:
            raise LoweringError(f"{called(layer)}: no binariser before {called(following)}")
        made = enumerate_region(model, Runner(model), layer, region)
        if len(np.unique(made[following.input[0]])) > 2 and self._choose_signs(region, made):
            made = enumerate_region(model, Runner(model, self._notes.signs), layer, region)
        where = f"{called(region[-1])}, before {called(following)}"
        values = made[following.input[0]].reshape(len(made[layer.output[0]]), -1)
        low, high = two_levels(values, where)
        threshold, invert = threshold_of(values == np.float32(high), where)
        lift_levels(model, following, low, high, self._notes)
        _replace(model, layer, following, region, threshold, invert)

    def _choose_signs(self, region: tuple[Any, ...], made: Tensors) -> bool:
        """Note what an exact 0 at the Signs of `region` becomes; False if none is reachable."""
        reachable = False
        for node in region:
            if node.op_type != "Sign":
                continue
            zero = made[node.input[0]].reshape(len(made[node.input[0]]), -1) == 0
            if not zero.any():
                continue
            reachable = True
            popcount, channel = (int(i) for i in np.argwhere(zero)[0])
            accumulator = 2 * popcount - (len(zero) - 1)
            text = (
                f"{called(node)}: an exact 0 is reachable in {int(zero.any(axis=0).sum())} channels"
                f" (channel {channel} at accumulator {accumulator}), where ONNX's Sign gives 0"
            )
            if self._sign_zero is SignZero.REFUSE:
                raise LoweringError(text, remedy="choose --sign-zero plus or --sign-zero minus")
            self._notes.signs[node.name] = -1.0 if self._sign_zero is SignZero.MINUS else 1.0
            self._notes.remarks.append(f"{text}; it counts as {self._sign_zero.value} 1")
        return reachable


def _replace(
    model: ModelWrapper,
    layer: Any,
    following: Any,
    region: tuple[Any, ...],
    threshold: NDArray[np.int32],
    invert: NDArray[np.bool_],
) -> None:
    synapses = len(model.get_initializer(layer.input[1]))
    accumulator, bits = str(layer.output[0]), str(following.input[0])
    before, after = (list(model.get_tensor_shape(name)) for name in (accumulator, bits))
    remove(model, region)
    inserter = Inserter(model, index_of(model, layer) + 1)
    tensor = accumulator
    if invert.any():
        tensor = inserter.tensor(before)
        signs = inserter.constant(np.where(invert, np.float32(-1), np.float32(1))[None])
        model.set_tensor_datatype(signs, DataType["BIPOLAR"])
        inserter.node("Mul", [accumulator, signs], tensor, f"{layer.name}_flip")
    # p < T is a < 2T − MW, and accumulators are 2 apart: −a >= MW − 2T + 2.
    signed = np.where(invert, synapses - 2 * threshold + 2, 2 * threshold - synapses)
    made = bits if before == after else inserter.tensor(before)
    inserter.bipolar_threshold(tensor, made, signed, f"{layer.name}_threshold")
    model.set_tensor_datatype(made, DataType["BIPOLAR"])
    if before != after:
        target = inserter.constant(np.array(after, np.int64))
        inserter.node("Reshape", [made, target], bits, f"{layer.name}_reshape")
