"""The Tcl with which FINN would make a block design in Vivado."""

import re
from pathlib import Path

import numpy as np
import pytest
from finn.custom_op.fpgadataflow import rtl
from finn.transformation.fpgadataflow import create_stitched_ip
from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP
from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.general import GiveUniqueNodeNames

from bnnedge.errors import DesignError
from bnnedge.finn_backend import SpecializeKernels, StitchVerilog
from bnnedge.finn_backend.ops.base import KernelOp
from bnnedge.finn_backend.verilog import ports_of
from bnnedge.verilated import verilator
from tests.finn_backend.designs import CLOCK_NS, DOMAIN, PART
from tests.finn_backend.test_streams import add, concat, duplicate, label_select, pool
from tests.finn_backend.test_xnor_mvau import hostile_weights, mvau

DESIGNS = {
    "mvau": lambda: mvau(
        hostile_weights(np.random.default_rng(0), 16, 8),
        vectors=2,
        result="INT4",
        thresholds=np.zeros((8, 15)),
        simd=4,
    ),
    "add": lambda: add("INT4", "BIPOLAR", "INT5", 2),
    "fork": lambda: duplicate("INT4", 3, 2),
    "labels": lambda: label_select("INT4", 3, 2, 1),
    "counts": lambda: mvau(
        hostile_weights(np.random.default_rng(0), 15, 4), vectors=1, result="UINT8", xnor_mode=True
    ),
    "concat": lambda: concat(("UINT3", "INT2", "INT4"), (2, 6, 4), 2),
    "pool": lambda: pool("BIPOLAR", "MaxPool", (2, 2), 2),
}


def generated(model: ModelWrapper) -> ModelWrapper:
    for transformation in (
        SpecializeKernels(),
        InsertFIFO(create_shallow_fifos=True),
        SpecializeLayers(PART),
        GiveUniqueNodeNames(),
        PrepareIP(PART, CLOCK_NS),
    ):
        model = model.transform(transformation)
    return model


@pytest.mark.parametrize("name", DESIGNS)
def test_files_cells_and_streams_exist(
    name: str, finn_build_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = generated(DESIGNS[name]())

    def no_vivado(tool: str) -> str:
        raise FileNotFoundError(f"no {tool} in this test")

    monkeypatch.setattr(create_stitched_ip, "resolve_xilinx_tool", no_vivado)
    before = set(finn_build_folder.rglob("make_project.tcl"))
    with pytest.raises(FileNotFoundError, match="no vivado in this test"):
        model.transform(CreateStitchedIP(PART, CLOCK_NS))
    (script,) = set(finn_build_folder.rglob("make_project.tcl")) - before
    tcl = script.read_text()

    nodes = {node.name: getCustomOp(node) for node in model.graph.node}
    assert any(node.op_type.endswith("_rtl") for node in model.graph.node)
    cells = re.findall(r"create_bd_cell -type module -reference (\S+) (\S+)", tcl)
    assert set(nodes) <= {cell for _, cell in cells}
    own = [path for path in re.findall(r"add_files -norecurse (/\S+)", tcl) if "srcs" not in path]
    assert own and all(Path(path).is_file() for path in own)
    pins = re.findall(r"get_bd_intf_pins (\w+)/(\w+)", tcl)
    assert pins
    for cell, pin in pins:
        texts = [Path(path).read_text() for path in nodes[cell].get_rtl_file_list(abspath=True)]
        top = nodes[cell].get_nodeattr("gen_top_module")
        ports = ports_of(top, texts, clock="ap_clk", reset="ap_rst_n")
        assert pin in {axis.name for axis in (*ports.inputs, *ports.outputs)}


@pytest.mark.parametrize("name", DESIGNS)
def test_generated_verilog_has_no_warnings(name: str) -> None:
    model = generated(DESIGNS[name]())
    for node in model.graph.node:
        if node.op_type in rtl.custom_op and issubclass(rtl.custom_op[node.op_type], KernelOp):
            files = getCustomOp(node).get_rtl_file_list(abspath=True)
            verilator.lint([Path(file) for file in files], top=node.name)


def test_memory_files_are_found_from_anywhere() -> None:
    """Vivado's working directory is none of ours."""
    model = generated(DESIGNS["mvau"]())
    node = getCustomOp(model.get_nodes_by_op_type("XnorMVAU_rtl")[0])
    files = [Path(path) for path in node.get_rtl_file_list(abspath=True)]
    names = [n for path in files[-2:] for n in re.findall(r'File\("(.+?)"\)', path.read_text())]
    assert len(names) == 2 and all(Path(name).is_absolute() for name in names)
    assert all(list(Path(name).parent.glob(f"{Path(name).name}*")) for name in names)


def test_nodes_without_generated_rtl_are_named() -> None:
    model = DESIGNS["pool"]().transform(SpecializeKernels())
    with pytest.raises(
        DesignError,
        match=r"^Pool_rtl_0: wanted generated RTL, got Pool_rtl — run SpecializeKernels,",
    ):
        model.transform(StitchVerilog())


def two_layers(*, simd: int, readers: int) -> ModelWrapper:
    """A matrix-vector unit of PE 2, read by others."""
    first = mvau(hostile_weights(np.random.default_rng(0), 8, 4), vectors=1, result="INT8", pe=2)
    (producer,) = first.graph.node
    producer.output[0] = "sums"
    graph = first.graph
    for index in range(readers):
        node = helper.make_node(
            "LabelSelect",
            ["sums"],
            [f"label_{index}"],
            domain=DOMAIN,
            backend="fpgadataflow",
            Labels=4,
            PE=simd,
            K=1,
            inputDataType="INT8",
            outputDataType="UINT8",
        )
        graph.node.append(node)
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(f"label_{i}", TensorProto.FLOAT, [1, 1])
        for i in range(readers)
    )
    first.set_tensor_shape("sums", [1, 4])
    for transformation in (SpecializeKernels(), PrepareIP(PART, CLOCK_NS)):
        first = first.transform(transformation)
    return first


@pytest.mark.parametrize(
    ("simd", "readers", "message"),
    [
        (
            4,
            1,
            r"^XnorMVAU_rtl_0 → LabelSelect_rtl_0: wanted streams of one width, got 16 and 32 bits"
            r" — run InsertDWC",
        ),
        (
            2,
            2,
            r"^XnorMVAU_rtl_0: wanted one reader of a stream,"
            r" got LabelSelect_rtl_0, LabelSelect_rtl_1 — run InferDuplicateStreamsLayer",
        ),
    ],
)
def test_streams_that_do_not_fit_are_named(simd: int, readers: int, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        two_layers(simd=simd, readers=readers).transform(StitchVerilog())


def test_streams_that_fit_are_stitched() -> None:
    model = two_layers(simd=2, readers=1).transform(StitchVerilog())
    text = Path(model.get_metadata_prop("wrapper_filename")).read_text()
    assert text.count("stream_2_tdata)") == 2
