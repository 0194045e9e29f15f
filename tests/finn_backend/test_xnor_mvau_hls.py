"""`XnorMVAU_hls`: what Vitis HLS gets, a network in cppsim, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finn.core.onnx_exec import execute_onnx
from finn.transformation.fpgadataflow.compile_cppsim import CompileCppSim
from finn.transformation.fpgadataflow.prepare_cppsim import PrepareCppSim
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from bnnedge import tools
from bnnedge.errors import DesignError, FoldingError, SimulationError
from bnnedge.finn_backend import SetKernelFolding, SpecializeKernels
from bnnedge.vitis_hls.emit import WARNINGS
from tests.finn_backend.designs import CLOCK_NS, PART, Tensor, one_node, run_cppsim, to_hls
from tests.finn_backend.networks import build, mlp
from tests.finn_backend.test_xnor_mvau import hostile_weights, mvau
from tests.hls.bench import needs_ap_types

# What FINN's Tcl wants of Vitis HLS.
TCL_COMMANDS = [
    "open_project",
    "add_files",
    "set_top",
    "open_solution",
    "set_part",
    "set_param",
    "config_compile",
    "config_interface",
    "config_rtl",
    "config_rtl",
    "create_clock",
    "csynth_design",
    "export_design",
    "exit",
]


def small(**options: Any) -> ModelWrapper:
    """12 rows on 16 columns, with a code of two bits; specialised."""
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.integers(-16, 17, (12, 3)), axis=1)
    settings = {"vectors": 4, "result": "UINT2", "thresholds": thresholds, "pe": 3, "simd": 4}
    return to_hls(mvau(hostile_weights(rng, 16, 12), **{**settings, **options}))


def test_hls_is_taken_where_it_is_preferred() -> None:
    for model in (small(), small().transform(SpecializeLayers(PART))):
        (node,) = model.graph.node
        assert (node.op_type, node.domain) == (
            "XnorMVAU_hls",
            "finn.custom_op.fpgadataflow.hls",
        )
    model = to_hls(mvau(np.ones((4, 4)), op_type="MVAU", vectors=1, result="INT8"))
    assert model.graph.node[0].op_type == "MVAU"


def test_folding_is_that_of_the_rtl() -> None:
    foldings = []
    for specialize in (to_hls, lambda model: model.transform(SpecializeKernels())):
        model = specialize(mvau(np.ones((16, 12)), vectors=4, result="INT8"))
        node = getCustomOp(model.transform(SetKernelFolding(24)).graph.node[0])
        foldings.append([node.get_nodeattr(name) for name in ("PE", "SIMD", "cycles_estimate")])
    assert foldings == [[2, 16, 24]] * 2


@needs_ap_types
def test_vitis_hls_gets_what_cppsim_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FINN's Tcl in Python's own: its commands, and g++ in the place of the synthesis."""
    tkinter = pytest.importorskip(
        "tkinter", reason="needs Python with Tcl (apt install python3-tk)"
    )
    model = small().transform(PrepareIP(PART, CLOCK_NS)).transform(PrepareCppSim())
    node = getCustomOp(model.graph.node[0])
    folder = Path(node.get_nodeattr("code_gen_dir_ipgen"))
    simulated = Path(node.get_nodeattr("code_gen_dir_cppsim"))
    for file in ("top_XnorMVAU_hls_0.cpp", "memories.hpp"):
        assert (folder / file).read_text() == (simulated / file).read_text()

    monkeypatch.setenv("FINN_CUSTOM_HLS", str(tmp_path))
    done: list[tuple[str, ...]] = []
    tcl = tkinter.Tcl()
    for command in TCL_COMMANDS:
        tcl.createcommand(command, lambda *words, command=command: done.append((command, *words)))
    tcl.call("source", str(folder / "hls_syn_XnorMVAU_hls_0.tcl"))

    assert [command for command, *_ in done] == TCL_COMMANDS
    words = {command: rest for command, *rest in done}
    assert words["open_project"] == ["project_XnorMVAU_hls_0"]
    assert words["set_top"] == ["XnorMVAU_hls_0"]
    assert words["set_part"] == [PART]
    assert words["create_clock"] == ["-period", "10.0", "-name", "default"]
    source, option, flags = words["add_files"]
    assert option == "-cflags"
    argv = [tools.find("g++"), *flags.split(), *WARNINGS, "-Werror", "-isystem", tools.ap_types()]
    argv += ["-c", source, "-o", tmp_path / "top.o"]
    tools.run(argv, cwd=tmp_path, log=tmp_path / "compile.log", timeout_s=300)


@needs_ap_types
def test_images_of_vectors(cache: Path) -> None:
    """(N, H, W, C), as behind a sliding window; words of more bits than ap_int has by default."""
    rng = np.random.default_rng(1)
    weights = hostile_weights(rng, 300, 2)
    model = one_node(
        "XnorMVAU",
        {"x": Tensor("INT4", (1, 2, 3, 300)), "w": Tensor.constant("BIPOLAR", weights)},
        {"y": Tensor("INT13", (1, 2, 3, 2))},
        MW=300,
        MH=2,
        PE=1,
        SIMD=300,
        inputDataType="INT4",
        weightDataType="BIPOLAR",
        outputDataType="INT13",
        noActivation=1,
        numInputVectors=[1, 2, 3],
    )
    x = rng.integers(-8, 8, (1, 2, 3, 300)).astype(np.float32)
    x[0, 0, 0] = -8
    assert np.array_equal(run_cppsim(model, {"x": x}, cache=cache)["y"], x @ weights)


@needs_ap_types
def test_a_network_in_cppsim(cache: Path, tmp_path: Path) -> None:
    network = mlp((24, 16, 12, 6))
    built = build(network, (24,), tmp_path)
    steps = tmp_path / "build" / "intermediate_models"
    nodes = ModelWrapper(str(steps / "step_create_dataflow_partition.onnx"))
    x = torch.randn(4, 24, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = network(x).numpy()
    inputs, outputs = nodes.graph.input[0].name, nodes.graph.output[0].name
    bits = built.hardware_inputs(x.numpy())

    nodes = to_hls(nodes)
    assert [node.op_type for node in nodes.graph.node] == ["XnorMVAU_hls"] * 3
    for transformation in (PrepareCppSim(), CompileCppSim(), SetExecMode("cppsim")):
        nodes = nodes.transform(transformation)
    for image, logits in zip(bits, wanted, strict=True):
        assert np.array_equal(execute_onnx(nodes, {inputs: image[None]})[outputs][0], logits)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pe": 5}, FoldingError, r"XnorMVAU_hls_0: wanted PE that divides MH=12, got 5"),
        (
            {"inputs": "INT512", "simd": 16, "vectors": 1},
            DesignError,
            r"XnorMVAU_hls_0: wanted sums of INT512 below 2\*\*30",
        ),
        (
            {"inputs": "FLOAT32"},
            DesignError,
            r"XnorMVAU_hls_0: bnnedge's HLS C\+\+ does not do elements of type FLOAT32",
        ),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    model = small(**options).transform(SpecializeLayers(PART))
    for transformation in (PrepareIP(PART, CLOCK_NS), PrepareCppSim()):
        with pytest.raises(error, match=message):
            model.transform(transformation)


def test_words_that_are_too_wide_for_vitis_hls_are_refused() -> None:
    weights = np.ones((1100, 1))
    model = to_hls(mvau(weights, vectors=1, inputs="INT8", result="INT32", simd=1100))
    message = r"XnorMVAU_hls_0: wanted words of 8191 bits or less in HLS, got 8800 — lower PE or"
    with pytest.raises(DesignError, match=message):
        model.transform(PrepareIP(PART, CLOCK_NS))


def test_a_node_that_was_not_compiled_is_refused() -> None:
    node = getCustomOp(small().graph.node[0])
    with pytest.raises(SimulationError, match="not compiled for cppsim — run PrepareCppSim and"):
        node.exec_precompiled_singlenode_model()


@needs_ap_types
@pytest.mark.parametrize("vectors", [3, 5])
def test_missing_and_left_over_words_are_errors(vectors: int) -> None:
    model = small().transform(PrepareCppSim()).transform(CompileCppSim())
    node = getCustomOp(model.graph.node[0])
    folder = Path(node.get_nodeattr("code_gen_dir_cppsim"))
    np.save(folder / "input_0.npy", np.ones((vectors, 4, 4), np.float32))
    with pytest.raises(SimulationError, match="XnorMVAU_hls_0: WARNING: Hls::stream 'in0_V'"):
        node.exec_precompiled_singlenode_model()
