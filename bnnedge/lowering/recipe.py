"""FINN's and qonnx's own transformations that are used, in order, each with its reason.

Not in the list, because they change numbers in a 1-bit network: BatchNormToAffine, ConvertDivToMul,
CollapseRepeated*, FactorOutMulSignMagnitude before thresholds are integers (they fold in float32),
RoundAndClipThresholds and MinimizeAccumulatorWidth (popcount range), ConvertSignToThres (Sign(0)),
ConvertQONNXtoFINN (refuses scaled quantisers and those not behind a BatchNormalization).
"""

import warnings
from dataclasses import dataclass

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import (
    GiveReadableTensorNames,
    GiveUniqueNodeNames,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_data_layouts import InferDataLayouts

from bnnedge.lowering.finn import finn
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.passes.annotate_integers import AnnotateIntegers
from bnnedge.lowering.passes.annotate_moves import AnnotateMoves
from bnnedge.lowering.windows import window_of


@dataclass(frozen=True, kw_only=True)
class Step:
    """One transformation and why it is where it is."""

    run: Transformation
    why: str


def image_steps(model: ModelWrapper) -> list[Step]:
    """From bipolar Convs to Im2Col and MatMul, channels last, by qonnx's and FINN's own passes.

    The weights stay ±1: Im2Col pads with 0, and as an XNOR's bit that 0 would be a −1. Empty where
    the passes do not know what the network has: groups, pools that are dilated or padded unevenly.
    """
    indexed = IndexedModel(proto=model.model)
    for node in indexed.nodes:
        if node.op_type == "Conv" and node.integer("group", 1) != 1:
            return []
        if node.op_type == "MaxPool":
            window = window_of(indexed, node)
            top, left, bottom, right = window.padding
            if (top, left) != (bottom, right) or window.dilation != (1, 1):
                return []
    stock = finn()
    return [
        Step(run=stock.LowerConvsToMatMul(), why="FINN knows Im2Col and MatMul"),
        Step(run=stock.AbsorbTransposeIntoMultiThreshold(), why="thresholds with channels last"),
        Step(run=stock.MakeMaxPoolNHWC(), why="and pools"),
        Step(run=stock.AbsorbConsecutiveTransposes(), why="what then cancels"),
        Step(run=RemoveUnusedTensors(), why="the constants of what was absorbed"),
        Step(run=GiveUniqueNodeNames(), why="FINN writes files by node name"),
        Step(run=GiveReadableTensorNames(), why="the same graph gives the same file"),
        Step(run=AnnotateMoves(), why="the passes leave float32 behind transposes"),
        Step(run=AnnotateIntegers(), why="accumulators' types"),
        Step(run=InferDataLayouts(), why="FINN's hardware inference wants NC or NHWC"),
    ]


def apply(steps: list[Step], model: ModelWrapper) -> ModelWrapper:
    """Run the steps in order on a copy of `model`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # qonnx tells which layout it assumes, several times
        for step in steps:
            model = model.transform(step.run)
    return model
