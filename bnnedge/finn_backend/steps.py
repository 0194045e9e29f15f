"""Steps for FINN's builder, to be listed among its own."""

from typing import Any

from finn.builder.build_dataflow_config import DataflowBuildConfig
from finn.transformation.fpgadataflow.convert_to_hw.concat import InferConcatLayer
from finn.transformation.fpgadataflow.convert_to_hw.conv_inp_gen import InferConvInpGen
from finn.transformation.fpgadataflow.convert_to_hw.duplicate_streams import (
    InferDuplicateStreamsLayer,
)
from finn.transformation.fpgadataflow.convert_to_hw.elementwise_binary_operation import (
    InferElementwiseBinaryOperation,
)
from finn.transformation.fpgadataflow.convert_to_hw.label_select import InferLabelSelectLayer
from finn.transformation.fpgadataflow.convert_to_hw.pool import InferPool
from finn.transformation.fpgadataflow.convert_to_hw.quantized_matrix_vector_activation import (
    InferQuantizedMatrixVectorActivation,
)
from finn.transformation.move_reshape import RemoveCNVtoFCFlatten
from finn.transformation.streamline import absorb
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.transformation.general import GiveUniqueNodeNames, RemoveUnusedTensors
from qonnx.transformation.infer_data_layouts import InferDataLayouts
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

from bnnedge.finn_backend.absorb_flatten import AbsorbFlatten
from bnnedge.finn_backend.convert_xnor_popcount_to_bipolar import ConvertXnorPopcountToBipolar
from bnnedge.finn_backend.infer_bipolar_padding import InferBipolarPadding
from bnnedge.finn_backend.infer_integer_thresholding import InferIntegerThresholding
from bnnedge.finn_backend.infer_xnor_mvau import InferXnorMVAU
from bnnedge.finn_backend.passes.round_thresholds import RoundThresholds
from bnnedge.finn_backend.refuse_tables import RefuseTables
from bnnedge.finn_backend.set_join_fifo_depths import SetJoinFIFODepths
from bnnedge.finn_backend.set_kernel_folding import SetKernelFolding
from bnnedge.finn_backend.specialize_kernels import SpecializeKernels
from bnnedge.finn_backend.stitch_verilog import StitchVerilog
from bnnedge.finn_backend.streamline import streamline


def step_streamline_bits(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """In the place of step_streamline: no ConvertBipolarMatMulToXnorPopcount, two passes mended."""
    model = streamline(model)
    model = model.transform(absorb.AbsorbScalarMulAddIntoTopK())
    model = model.transform(InferDataLayouts())
    return model.transform(RemoveUnusedTensors())


def conversions() -> tuple[Transformation, ...]:
    """What makes hardware of a streamlined graph, and of what `bnnedge.lower` writes, in order."""
    return (
        RefuseTables(),
        ConvertXnorPopcountToBipolar(),
        InferXnorMVAU(),
        InferQuantizedMatrixVectorActivation(),
        InferLabelSelectLayer(),
        InferIntegerThresholding(),
        InferPool(),
        InferBipolarPadding(),
        InferConvInpGen(),
        InferConcatLayer(),
        InferElementwiseBinaryOperation(_filter=_adds_integers),
        InferDuplicateStreamsLayer(),
        absorb.AbsorbConsecutiveTransposes(),
        AbsorbFlatten(),
        RemoveCNVtoFCFlatten(),
        GiveUniqueNodeNames(),
        InferDataLayouts(),
        InferDataTypes(),
        RoundThresholds(),
        InferShapes(),
    )


def step_convert_bits_to_hw(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """In the place of step_convert_to_hw: integers and ±1 become hardware, real numbers stay out.

    So the quantiser of the input and the scale of the output are left to the host.
    """
    for transformation in conversions():
        model = model.transform(transformation)
    return model


def step_specialize_kernels(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """In the place of step_specialize_layers, which follows within."""
    # FINN's steps want their simulator when they are imported; with Vivado or `use_verilator` they
    # have it by now.
    from finn.builder.build_dataflow_steps import step_specialize_layers

    return step_specialize_layers(model.transform(SpecializeKernels()), cfg)


def step_fold_kernels(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """In the place of step_target_fps_parallelization; without a target it does nothing."""
    cycles = cfg._resolve_cycles_per_frame()
    if cycles is None:
        return model
    folding = SetKernelFolding(
        cycles,
        mvau_wwidth_max=cfg.mvau_wwidth_max,
        two_pass_relaxation=cfg.folding_two_pass_relaxation,
    )
    return model.transform(folding)


def step_set_join_fifo_depths(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """Before step_set_fifo_depths with `force_minimal_fifos`, once the folding is known."""
    return model.transform(SetJoinFIFODepths())


def step_stitch_verilog(model: ModelWrapper, cfg: DataflowBuildConfig) -> ModelWrapper:
    """After step_set_fifo_depths: a design that rtlsim can run without Vivado."""
    return model.transform(StitchVerilog())


def _adds_integers(model: ModelWrapper, node: Any) -> bool:
    types = [model.get_tensor_datatype(name) for name in node.input]
    constant = any(model.get_initializer(name) is not None for name in node.input)
    return node.op_type == "Add" and not constant and all(t.is_integer() for t in types)
