"""FINN's streamlining of one-bit networks: its own passes where they are right, ours elsewhere.

The order is that of FINN's `Streamline`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from finn.transformation.streamline import absorb, collapse_repeated, reorder, sign_to_thres
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.transformation.batchnorm_to_affine import BatchNormToAffine
from qonnx.transformation.general import (
    ConvertDivToMul,
    ConvertSubToAdd,
    GiveReadableTensorNames,
    GiveUniqueNodeNames,
)
from qonnx.transformation.infer_data_layouts import InferDataLayouts
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul
from qonnx.transformation.remove import RemoveIdentityOps

from bnnedge.finn_backend.make_channels_last import MakeChannelsLast
from bnnedge.finn_backend.passes.absorb_mul_into_multi_threshold import AbsorbMulIntoMultiThreshold
from bnnedge.finn_backend.passes.align_channel_constants import AlignChannelConstants
from bnnedge.finn_backend.passes.factor_out_mul_sign_magnitude import FactorOutMulSignMagnitude
from bnnedge.finn_backend.passes.move_scalar_mul_past_pad import MoveScalarMulPastPad
from bnnedge.finn_backend.passes.move_transpose_past_join_add import MoveTransposePastJoinAdd
from bnnedge.finn_backend.passes.move_transpose_past_join_concat import MoveTransposePastJoinConcat


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A transformation and why it is where it is."""

    make: Callable[[], Transformation]
    why: str


_AFFINE = (
    Pass(make=AlignChannelConstants, why="constants have one form"),
    Pass(make=ConvertSubToAdd, why="one form of shifts"),
    Pass(make=ConvertDivToMul, why="one form of scales"),
    Pass(make=BatchNormToAffine, why="Mul and Add move, a BatchNormalization does not"),
    Pass(make=sign_to_thres.ConvertSignToThres, why="one form of binarisers"),
    Pass(make=reorder.MoveMulPastMaxPool, why="scales go to the thresholds"),
    Pass(make=absorb.AbsorbScalarBiasIntoMultiThreshold, why="levels of a quantiser are integers"),
    Pass(make=reorder.MoveScalesPastIm2Col, why="scales go to the thresholds"),
    Pass(make=reorder.MoveScalarLinearPastFork, why="each branch has one of its own"),
    Pass(make=reorder.MoveScalarLinearPastInvariants, why="the same past pools and reshapes"),
    Pass(make=MoveScalarMulPastPad, why="the same past channels of zeros"),
    Pass(make=reorder.MoveMulPastJoinAdd, why="the same past sums"),
    Pass(make=reorder.MoveAddPastMul, why="scales first, then shifts"),
    Pass(make=reorder.MoveScalarAddPastMatMul, why="shifts go behind the layer"),
    Pass(make=reorder.MoveAddPastConv, why="the same"),
    Pass(make=reorder.MoveScalarMulPastMatMul, why="scales go behind the layer"),
    Pass(make=reorder.MoveScalarMulPastConv, why="the same"),
    Pass(make=reorder.MoveAddPastMul, why="for those that were moved"),
    Pass(make=collapse_repeated.CollapseRepeatedAdd, why="one shift"),
    Pass(make=collapse_repeated.CollapseRepeatedMul, why="one scale"),
    Pass(make=reorder.MoveMulPastMaxPool, why="for those that were moved"),
    Pass(make=absorb.AbsorbAddIntoMultiThreshold, why="the shift goes into the thresholds"),
    Pass(make=FactorOutMulSignMagnitude, why="magnitudes go into thresholds, signs do not"),
    Pass(make=AbsorbMulIntoMultiThreshold, why="the magnitudes"),
    Pass(make=absorb.Absorb1BitMulIntoMatMul, why="signs go into the weights"),
    Pass(make=absorb.Absorb1BitMulIntoConv, why="the same"),
)
_IMAGES = (
    Pass(make=LowerConvsToMatMul, why="hardware has windows and products"),
    Pass(make=MakeChannelsLast, why="the rest has channels last, too"),
)
_TRANSPOSES = (
    Pass(make=reorder.MakeMaxPoolNHWC, why="hardware has channels last"),
    Pass(make=absorb.AbsorbTransposeIntoMultiThreshold, why="thresholds with channels last"),
    Pass(make=reorder.MoveTransposePastFork, why="each branch has one of its own"),
    Pass(make=MoveTransposePastJoinAdd, why="sums with channels last"),
    Pass(make=MoveTransposePastJoinConcat, why="joins with channels last"),
    Pass(make=absorb.AbsorbConsecutiveTransposes, why="what then cancels"),
)
TIDY = (
    RemoveIdentityOps,
    GiveUniqueNodeNames,
    GiveReadableTensorNames,
    InferDataTypes,
    InferDataLayouts,
)
PASSES = (*_AFFINE, *_IMAGES, *_TRANSPOSES)
"""Of images: the scales and shifts, the windows, the Transposes until none moves, and all again."""


def streamline(model: ModelWrapper) -> ModelWrapper:
    """Move scales and shifts into thresholds, and channels to the last place."""
    model = model.transform(absorb.AbsorbScalarBiasIntoMultiThreshold())
    model = _run(_AFFINE, model)
    if model.get_nodes_by_op_type("Conv"):
        for one in _IMAGES:
            model = model.transform(one.make())
        before: list[bytes] = []
        while before != (now := [node.SerializeToString() for node in model.graph.node]):
            before = now
            for one in _TRANSPOSES:
                model = model.transform(one.make())
        model = _run(_AFFINE, model)
    return model


def _run(passes: tuple[Pass, ...], model: ModelWrapper) -> ModelWrapper:
    """As FINN's Streamline does it: names and types are made anew behind each."""
    for one in passes:
        model = model.transform(one.make())
        for tidy in TIDY:
            model = model.transform(tidy())
    return model
