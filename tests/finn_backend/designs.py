"""FINN models of one node, and their way to RTL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from finn.core.onnx_exec import execute_onnx
from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model

from bnnedge.finn_backend import SpecializeKernels, use_verilator

PART, CLOCK_NS = "xc7z020clg400-1", 10.0
DOMAIN = "finn.custom_op.fpgadataflow"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph: QONNX's type and the shape, or its constant value."""

    datatype: str
    shape: tuple[int, ...]
    value: NDArray[Any] | None = None

    @classmethod
    def constant(cls, datatype: str, value: NDArray[Any]) -> "Tensor":
        return cls(datatype, value.shape, value.astype(np.float32))


def one_node(
    op_type: str,
    inputs: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    *,
    domain: str = DOMAIN,
    **attributes: Any,
) -> ModelWrapper:
    """A model whose only node takes `inputs` and gives `outputs`."""
    node = helper.make_node(
        op_type,
        list(inputs),
        list(outputs),
        name=op_type,
        domain=domain,
        **({"backend": "fpgadataflow"} if domain.startswith(DOMAIN) else {}),
        **attributes,
    )
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, tensor.shape)
        for name, tensor in {**inputs, **outputs}.items()
    }
    streams = [infos[name] for name, tensor in inputs.items() if tensor.value is None]
    graph = helper.make_graph([node], "graph", streams, [infos[name] for name in outputs])
    model = ModelWrapper(qonnx_make_model(graph))
    for name, tensor in {**inputs, **outputs}.items():
        model.set_tensor_datatype(name, DataType[tensor.datatype])
        if tensor.value is not None:
            model.set_initializer(name, tensor.value)
    return model


def to_rtl(model: ModelWrapper) -> ModelWrapper:
    """Specialised, with generated code, and compiled for rtlsim."""
    for transformation in (
        SpecializeKernels(),
        SpecializeLayers(PART),
        PrepareIP(PART, CLOCK_NS),
        PrepareRTLSim(),
        SetExecMode("rtlsim"),
    ):
        model = model.transform(transformation)
    return model


def run_rtl(
    model: ModelWrapper,
    values: Mapping[str, NDArray[Any]],
    *,
    cache: Path,
    stalls: Sequence[float] = (0.0, 0.6),
) -> dict[str, NDArray[Any]]:
    """Outputs of rtlsim, which are the same for any stalls."""
    results = []
    for seed, stall in enumerate(stalls):
        use_verilator(stall_in=stall, stall_out=stall, seed=seed, cache=cache)
        if not results:
            model = to_rtl(model)
        results.append(execute_onnx(model, dict(values)))
    for result in results[1:]:
        assert all(np.array_equal(result[name], results[0][name]) for name in result)
    return results[0]


def to_hls(model: ModelWrapper) -> ModelWrapper:
    """Specialised as nodes that prefer hls."""
    for node in model.graph.node:
        getCustomOp(node).set_nodeattr("preferred_impl_style", "hls")
    return model.transform(SpecializeKernels())


def run_cppsim(
    model: ModelWrapper, values: Mapping[str, NDArray[Any]], *, cache: Path
) -> dict[str, NDArray[Any]]:
    """Outputs of cppsim; as `run_rtl`, but nothing is cached."""
    model = to_hls(model)
    for transformation in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
        model = model.transform(transformation)
    return dict(execute_onnx(model, dict(values)))
