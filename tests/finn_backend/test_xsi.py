"""FINN's rtlsim in Verilator: FINN's own RTL against numpy, and what the harness finds."""

from pathlib import Path
from typing import Any

import finn.xsi
import numpy as np
import pytest
from finn.core.onnx_exec import execute_onnx
from numpy.typing import NDArray

from bnnedge.errors import SimulationError
from bnnedge.finn_backend import StitchVerilog, rtlsim, use_verilator
from tests.finn_backend.designs import Tensor, one_node, run_rtl, to_rtl


def windows(x: NDArray[Any], kernel: int) -> NDArray[Any]:
    """(1, H, W, C) → im2col (1, H − K + 1, W − K + 1, K·K·C)."""
    view = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(*view.shape[:3], -1)


def test_finns_window_padding_width_converter_and_thresholds(cache: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, (1, 5, 6, 4)).astype(np.float32)
    window = one_node(
        "ConvolutionInputGenerator",
        {"x": Tensor("INT4", x.shape)},
        {"y": Tensor("INT4", (1, 3, 4, 36))},
        ConvKernelDim=[3, 3],
        IFMChannels=4,
        IFMDim=[5, 6],
        OFMDim=[3, 4],
        SIMD=2,
        Stride=[1, 1],
        Dilation=[1, 1],
        inputDataType="INT4",
        outputDataType="INT4",
        depthwise=0,
    )
    assert np.array_equal(run_rtl(window, {"x": x}, cache=cache)["y"], windows(x, 3))

    padding = one_node(
        "FMPadding",
        {"x": Tensor("INT4", x.shape)},
        {"y": Tensor("INT4", (1, 8, 7, 4))},
        ImgDim=[5, 6],
        Padding=[1, 0, 2, 1],
        NumChannels=4,
        SIMD=4,
        inputDataType="INT4",
    )
    padded = np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)))
    assert np.array_equal(run_rtl(padding, {"x": x}, cache=cache)["y"], padded)

    thresholds = np.sort(rng.integers(-8, 8, (4, 3)), axis=1).astype(float)
    thresholding = one_node(
        "Thresholding",
        {"x": Tensor("INT4", x.shape), "t": Tensor.constant("INT5", thresholds)},
        {"y": Tensor("UINT2", x.shape)},
        NumChannels=4,
        PE=2,
        numSteps=3,
        inputDataType="INT4",
        weightDataType="INT5",
        outputDataType="UINT2",
        numInputVectors=[1, 5, 6],
    )
    counts = (x[..., None] >= thresholds).sum(axis=-1)
    assert np.array_equal(run_rtl(thresholding, {"x": x}, cache=cache)["y"], counts)

    converter = one_node(
        "StreamingDataWidthConverter",
        {"x": Tensor("INT4", (1, 30, 4))},
        {"y": Tensor("INT4", (1, 30, 4))},
        inShape=[1, 30, 4],
        outShape=[1, 30, 4],
        inWidth=16,
        outWidth=8,
        dataType="INT4",
    )
    flat = x.reshape(1, 30, 4)
    assert np.array_equal(run_rtl(converter, {"x": flat}, cache=cache)["y"], flat)


@pytest.mark.parametrize(("depth", "style"), [(2, "auto"), (40, "distributed"), (300, "block")])
def test_finns_fifos(cache: Path, depth: int, style: str) -> None:
    x = np.random.default_rng(1).integers(-8, 8, (1, 400, 3)).astype(np.float32)
    fifo = one_node(
        "StreamingFIFO",
        {"x": Tensor("INT4", x.shape)},
        {"y": Tensor("INT4", x.shape)},
        depth=depth,
        folded_shape=[1, 400, 1, 3],
        normal_shape=[1, 400, 3],
        dataType="INT4",
        ram_style=style,
    )
    assert np.array_equal(run_rtl(fifo, {"x": x}, cache=cache)["y"], x)


def labels(vectors: int) -> Any:
    return one_node(
        "LabelSelect",
        {"x": Tensor("INT4", (vectors, 6))},
        {"y": Tensor("UINT8", (vectors, 1))},
        Labels=6,
        PE=2,
        K=1,
        inputDataType="INT4",
        outputDataType="UINT8",
        numInputVectors=[vectors],
    )


def test_a_stitched_design_runs_a_batch_and_finns_own_execution(cache: Path) -> None:
    use_verilator(cache=cache)
    model = to_rtl(labels(1)).transform(StitchVerilog())
    x = np.random.default_rng(2).integers(-8, 8, (50, 6)).astype(np.float32)

    y = rtlsim(model, x)

    assert np.array_equal(y[:, 0], x.argmax(axis=1))
    assert 150 <= int(model.get_metadata_prop("cycles_rtlsim")) <= 160  # 3 a vector
    model.set_metadata_prop("exec_mode", "rtlsim")
    assert np.array_equal(execute_onnx(model, {"x": x[:1]})["y"], y[:1])


def test_mistakes_with_a_stitched_design_are_named(cache: Path) -> None:
    model = labels(1)
    with pytest.raises(SimulationError, match=r"wanted a stitched design — apply StitchVerilog"):
        rtlsim(model, np.zeros((1, 6)))
    model.set_metadata_prop("wrapper_filename", "design.v")
    with pytest.raises(SimulationError, match=r"wanted inputs \(N, 6\), got \(1, 7\)"):
        rtlsim(model, np.zeros((1, 7)))


@pytest.mark.parametrize("stall", [-0.1, 1.0])
def test_stalls_are_probabilities(stall: float) -> None:
    with pytest.raises(SimulationError, match=r"wanted stalls in \[0, 1\)"):
        use_verilator(stall_in=stall)


MISBEHAVING = """
module top (
  input ap_clk, input ap_rst_n,
  input in0_V_TVALID, output in0_V_TREADY, input [7:0] in0_V_TDATA,
  output reg out0_V_TVALID, input out0_V_TREADY, output reg [7:0] out0_V_TDATA
);
  reg [7:0] count;
  wire taken = out0_V_TVALID && out0_V_TREADY;
  assign in0_V_TREADY = ap_rst_n;
  always @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      out0_V_TVALID <= 0;
      out0_V_TDATA <= 0;
      count <= 0;
    end else begin
      if (in0_V_TVALID) count <= count + 1;
      %s
    end
  end
endmodule
"""


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("out0_V_TVALID <= in0_V_TVALID;", r"^out0_V: valid fell before a beat was taken"),
        (
            "if (count > 2) out0_V_TVALID <= 1; out0_V_TDATA <= out0_V_TDATA + 1;",
            r"^out0_V: data changed before a beat was taken",
        ),
        (
            "if (count > 2) out0_V_TVALID <= 1;",
            r"^out0_V: a beat too many \(in0_V: 0 of 0 beats; out0_V: 0 of 0 beats\)",
        ),
        (
            "if (taken) out0_V_TDATA <= 1;"
            " out0_V_TVALID <= count > 2 && out0_V_TDATA == 0 && !taken;",
            r"^stuck for \d+ cycles \(in0_V: 6 of 6 beats; out0_V: 1 of 4 beats\)"
            r" — give joins behind a fork deeper FIFOs",
        ),
        ('if (count == 3) $error("three");', r"^the design stopped: .*three"),
    ],
    ids=["valid", "data", "surplus", "stuck", "assertion"],
)
def test_faults_are_named(cache: Path, tmp_path: Path, fault: str, message: str) -> None:
    use_verilator(stall_out=0.5, seed=2, cache=cache)
    (tmp_path / "top.v").write_text(MISBEHAVING % fault)
    (tmp_path / "sim").mkdir()
    sim = finn.xsi.load_sim_obj(
        *finn.xsi.compile_sim_obj("top", [tmp_path / "top.v"], tmp_path / "sim")
    )
    beats = {"inputs": {"in0": list(range(6))}, "outputs": {"out0": []}}
    with pytest.raises(SimulationError, match=message):
        finn.xsi.rtlsim_multi_io(sim, beats, 4, sname="_V", liveness_threshold=200)
        sim.expect_silence()
    finn.xsi.close_rtlsim(sim)


def test_waves_are_written(cache: Path, tmp_path: Path) -> None:
    use_verilator(cache=cache)
    (tmp_path / "top.v").write_text(MISBEHAVING % "")
    (tmp_path / "sim").mkdir()
    paths = finn.xsi.compile_sim_obj("top", [tmp_path / "top.v"], tmp_path / "sim", debug=True)
    sim = finn.xsi.load_sim_obj(*paths, tracefile=str(tmp_path / "waves.wdb"))
    finn.xsi.rtlsim_multi_io(sim, {"inputs": {"in0": [1, 2]}, "outputs": {"out0": []}}, 0, "_V")
    finn.xsi.close_rtlsim(sim)
    assert (tmp_path / "waves.fst").stat().st_size > 0


def test_files_that_differ_under_one_name_are_refused(tmp_path: Path) -> None:
    use_verilator()
    for folder, text in (("a", "module top; endmodule"), ("b", "module other; endmodule")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "top.v").write_text(text)
    sources = [tmp_path / "a" / "top.v", tmp_path / "b" / "top.v"]
    with pytest.raises(SimulationError, match=r"top: two different files are called top\.v"):
        finn.xsi.compile_sim_obj("top", sources, tmp_path)
    with pytest.raises(SimulationError, match=r"gone\.v: No such file"):
        finn.xsi.compile_sim_obj("top", [tmp_path / "gone.v"], tmp_path)
