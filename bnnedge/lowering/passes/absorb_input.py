"""Everything before the first layer → Flatten, Gather, [Mul by ±1,] MultiThreshold.

That is the encoding as a graph: what the host computes. FINN has no such pass; it makes a
float32 Thresholding of it, which it then builds into the hardware.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from bnnedge.dataflow import IntegerEncoding, ThresholdEncoding
from bnnedge.errors import LoweringError
from bnnedge.lowering.config import SignZero
from bnnedge.lowering.encoding import InputRegion, is_binarised
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.passes.edit import Inserter, remove
from bnnedge.lowering.passes.lift_levels import lift_levels, lift_scale
from bnnedge.lowering.structure import Structure, find_structure
from bnnedge.lowering.windows import pool_attributes, window_of

PREFIX = "encode"


class AbsorbInput(Transformation):  # type: ignore[misc]
    """Raises LoweringError where the input region is neither one threshold per bit nor a quantiser.

    What enters the first layer is annotated: BIPOLAR, or an integer type.
    """

    def __init__(self, sign_zero: SignZero, notes: Notes) -> None:
        super().__init__()
        self._sign_zero = sign_zero
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        structure = find_structure(model)
        # Before padding is inserted in front of the layer.
        places = structure.encoded, structure.entry(0)
        if is_binarised(model, structure):
            region, bits = self._bits(model, structure)
            lift_levels(
                model, structure.pads[0], structure.layers[0], region.low, region.high, self._notes
            )
            _replace(model, structure, places, bits, bits.source)
            return model, False
        region = InputRegion(model, Runner(model), structure)
        integers, source = region.integers()
        values = range(integers.element.smallest, integers.element.largest + 1)
        lift_scale(model, structure.pads[0], structure.layers[0], region.scale, values, self._notes)
        _replace(model, structure, places, integers, source)
        return model, False

    def _bits(
        self, model: ModelWrapper, structure: Structure
    ) -> tuple[InputRegion, ThresholdEncoding]:
        """By ONNX's own Sign(0) = 0 if that makes bits, else by the user's rule."""
        signs = [node for node in structure.input if node.op_type == "Sign"]
        try:
            region = InputRegion(model, Runner(model), structure)
            return region, region.encoding()
        except LoweringError:
            if not signs:
                raise
        value = -1.0 if self._sign_zero is SignZero.MINUS else 1.0
        self._notes.signs |= {node.name: value for node in signs}
        region = InputRegion(model, Runner(model, self._notes.signs), structure)
        encoding = region.encoding()
        self._notes.remarks += [
            f"{node}: an input of exactly {zero:.9g} gives Sign a 0; it counts as {value:+.0f}"
            for node, zero in region.sign_zeros(encoding).items()
        ]
        return region, encoding


def _replace(
    model: ModelWrapper,
    structure: Structure,
    places: tuple[str, str],
    encoding: ThresholdEncoding | IntegerEncoding,
    source: NDArray[np.int64] | NDArray[np.int32],
) -> None:
    """Put the encoding's nodes in the place of the input region.

    Args:
        places: the tensor that is encoded, and what the region made of it: behind pools of the
            input, another one.
        encoding: the encoding.
        source: of the encoding, in the order of the graph's tensors.
    """
    encoded, entry = places
    shape = list(model.get_tensor_shape(encoded))
    seen = list(model.get_tensor_shape(entry))
    pools = [
        (window_of(model, pool), list(model.get_tensor_shape(pool.output[0])))
        for pool in structure.input_pools
    ]
    remove(model, structure.input)
    readers: list[Any] = [node for node in model.graph.node if entry in node.input]
    inserter = Inserter(model, 0)
    tensor = structure.source
    flat_shape = [1, len(source)]
    if len(encoding.input_shape) > 1:
        flat = inserter.tensor([1, encoding.elements])
        inserter.node("Flatten", [tensor], flat, f"{PREFIX}_flatten", axis=1)
        tensor = flat
    if not np.array_equal(source, np.arange(encoding.elements)):
        gathered = inserter.tensor(flat_shape)
        indices = inserter.constant(np.asarray(source, np.int64))
        inserter.node("Gather", [tensor, indices], gathered, f"{PREFIX}_gather", axis=1)
        tensor = gathered
    if isinstance(encoding, ThresholdEncoding):
        tensor = _insert_bits(inserter, tensor, encoding)
        model.set_tensor_datatype(tensor, DataType["BIPOLAR"])
    if shape != flat_shape:
        shaped = inserter.tensor(shape)
        target = inserter.constant(np.array(shape, np.int64))
        inserter.node("Reshape", [tensor, target], shaped, f"{PREFIX}_reshape")
        tensor = shaped
    kind = DataType[str(encoding.stream.element)]
    if isinstance(encoding, IntegerEncoding):
        integers = inserter.tensor(shape)
        inserter.node(
            "MultiThreshold",
            [tensor, inserter.constant(encoding.steps)],
            integers,
            f"{PREFIX}_steps",
            out_dtype=str(kind),
            out_scale=1.0,
            out_bias=float(encoding.element.smallest),
            data_layout={2: "NC", 4: "NCHW"}[len(shape)],
        )
        tensor = integers
    model.set_tensor_datatype(tensor, kind)
    for number, (window, pooled_shape) in enumerate(pools):
        pooled = inserter.tensor(pooled_shape)
        attributes = pool_attributes(window)
        inserter.node("MaxPool", [tensor], pooled, f"{PREFIX}_pool_{number}", **attributes)
        model.set_tensor_datatype(pooled, kind)
        tensor, shape = pooled, pooled_shape
    if pools and shape != seen:
        flat = inserter.tensor(seen)
        target = inserter.constant(np.array(seen, np.int64))
        inserter.node("Reshape", [tensor, target], flat, f"{PREFIX}_vector")
        model.set_tensor_datatype(flat, kind)
        tensor = flat
    for node in readers:
        node.input[:] = [tensor if name == entry else name for name in node.input]


def _insert_bits(inserter: Inserter, tensor: str, encoding: ThresholdEncoding) -> str:
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
    return bits
