"""Everything before the first layer → Flatten, Gather, Mul by ±1, MultiThreshold per bit.

That is the ThresholdEncoding as a graph: what the host computes. FINN has no such pass; it makes a
float32 Thresholding of it, which it then builds into the hardware.
"""

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.dataflow import ThresholdEncoding
from bnnedge.errors import LoweringError
from bnnedge.lowering.chain import Chain, find_chain
from bnnedge.lowering.config import SignZero
from bnnedge.lowering.encoding import InputRegion
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.passes.edit import Inserter, index_of, remove
from bnnedge.lowering.passes.lift_levels import lift_levels

PREFIX = "encode"


class AbsorbInput(Transformation):  # type: ignore[misc]
    """Raises LoweringError where the input region is not one threshold per bit."""

    def __init__(self, sign_zero: SignZero, notes: Notes) -> None:
        super().__init__()
        self._sign_zero = sign_zero
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        chain = find_chain(model)
        layer = chain.layers[0]
        region, encoding = self._encoding(model, chain)
        lift_levels(model, layer, region.low, region.high, self._notes)
        shape = list(model.get_tensor_shape(layer.input[0]))
        remove(model, chain.input)
        inserter = Inserter(model, index_of(model, layer))
        tensor = chain.source
        if len(encoding.input_shape) > 1:
            flat = inserter.tensor([1, encoding.elements])
            inserter.node("Flatten", [tensor], flat, f"{PREFIX}_flatten", axis=1)
            tensor = flat
        if not np.array_equal(encoding.source, np.arange(encoding.elements)):
            gathered = inserter.tensor([1, encoding.features])
            indices = inserter.constant(encoding.source.astype(np.int64))
            inserter.node("Gather", [tensor, indices], gathered, f"{PREFIX}_gather", axis=1)
            tensor = gathered
        # x < t, the inverted comparison, is −x >= the float after −t; of −inf it is "never".
        thresholds = np.where(
            encoding.invert,
            np.nextafter(-encoding.threshold, np.float32(np.inf)),
            encoding.threshold,
        )
        if encoding.invert.any():
            flipped = inserter.tensor([1, encoding.features])
            signs = np.where(encoding.invert, np.float32(-1), np.float32(1))[None]
            inserter.node("Mul", [tensor, inserter.constant(signs)], flipped, f"{PREFIX}_flip")
            tensor = flipped
        bits = inserter.tensor([1, encoding.features])
        inserter.bipolar_threshold(tensor, bits, thresholds, f"{PREFIX}_threshold")
        model.set_tensor_datatype(bits, DataType["BIPOLAR"])
        if shape != [1, encoding.features]:
            shaped = inserter.tensor(shape)
            target = inserter.constant(np.array(shape, np.int64))
            inserter.node("Reshape", [bits, target], shaped, f"{PREFIX}_reshape")
            bits = shaped
        layer.input[0] = bits
        return model, False

    def _encoding(self, model: ModelWrapper, chain: Chain) -> tuple[InputRegion, ThresholdEncoding]:
        """By ONNX's own Sign(0) = 0 if that makes bits, else by the user's rule."""
        signs = [node for node in chain.input if node.op_type == "Sign"]
        try:
            region = InputRegion(model, Runner(model), chain)
            return region, region.encoding()
        except LoweringError:
            if not signs:
                raise
        value = -1.0 if self._sign_zero is SignZero.MINUS else 1.0
        self._notes.signs |= {node.name: value for node in signs}
        region = InputRegion(model, Runner(model, self._notes.signs), chain)
        encoding = region.encoding()
        self._notes.remarks += [
            f"{node}: an input of exactly {zero:.9g} gives Sign a 0; it counts as {value:+.0f}"
            for node, zero in region.sign_zeros(encoding).items()
        ]
        return region, encoding
