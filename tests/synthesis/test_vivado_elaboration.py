"""Every network's project, elaborated by slang as it stands: ports that do not fit are errors."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from tests.networks import random_conv, random_mlp, random_residual, with_class_scales
from tests.networks.branches import random_branches
from tests.networks.chains import random_chain
from tests.synthesis.projects import change, project, zynq

NETWORKS: dict[str, Callable[[], Dataflow]] = {
    "mlp": lambda: random_mlp((48, 16, 10)),
    "classes": lambda: random_mlp((30, 8, 5), classes=True),
    "scales": lambda: with_class_scales(random_mlp((24, 12, 6)), k=2),
    "wider than a DMA": lambda: random_mlp((2048, 8, 4)),
    "conv": random_conv,
    "residual": random_residual,
    **{f"chain {seed}": partial(random_chain, seed) for seed in range(5)},
    **{f"branches {seed}": partial(random_branches, seed) for seed in range(5)},
}


@pytest.fixture(scope="module")
def slang() -> ModuleType:
    try:
        import pyslang.driver
    except ImportError:
        pytest.fail("pyslang is not installed: pip install -e '.[dev]'")
    return pyslang


def elaborate(slang: ModuleType, sources: Path) -> tuple[list[str], dict[str, int]]:
    """What slang refuses of `sources`, and the widths of the top's ports."""
    driver = slang.driver.Driver()
    driver.addStandardArgs()
    files = " ".join(str(path) for path in sorted(sources.glob("*.*v")))
    assert driver.parseCommandLine(f"slang --top bnnedge_axi -DSYNTHESIS {files}")
    assert driver.processOptions() and driver.parseAllSources()
    compilation = driver.createCompilation()
    fatal = (slang.Diags.PortWidthExpand, slang.Diags.PortWidthTruncate)
    refused = [
        slang.DiagnosticEngine.reportAll(driver.sourceManager, [diagnostic])
        for diagnostic in compilation.getAllDiagnostics()
        if diagnostic.isError() or diagnostic.code in fatal
    ]
    (top,) = compilation.getRoot().topInstances
    return refused, {port.name: port.type.bitWidth for port in top.body.portList}


def emitted(dataflow: Dataflow, folder: Path, target_fps: float) -> Path:
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=target_fps), folder / "rtl").folder


@pytest.mark.parametrize("name", NETWORKS)
def test_every_networks_project_elaborates(name: str, slang: ModuleType, tmp_path: Path) -> None:
    fps = 1e8 if name.startswith("wider") else 1e4
    rtl = emitted(NETWORKS[name](), tmp_path, fps)
    folder = project(rtl, zynq("kv260"), tmp_path / "vivado")
    refused, widths = elaborate(slang, folder / "src")
    assert not refused
    settings = dict(
        re.findall(r"^set (\w+_bits) (\d+)$", (folder / "settings.tcl").read_text(), re.M)
    )
    assert widths["s_axis_tdata"] == int(settings["in_bits"]) <= 1024
    assert widths["m_axis_tdata"] == int(settings["out_bits"])
    assert widths["s_axis_tkeep"] * 8 == widths["s_axis_tdata"]
    wide = Design.load(rtl).input_width_bits > 1024
    assert wide == name.startswith("wider")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("bnnedge_axi.v", "wire [32-1:0]  core_in_data", "wire [24-1:0]  core_in_data"),
        ("bnnedge_axi.v", ".id_o(id)", ".id_o(id[7:0])"),
        ("bnnedge_axi.v", ".id_o(id)", ".identity_o(id)"),
        ("bnnedge_core.sv", "xnor_mvu #(", "xnor_mvux #("),
    ],
)
def test_port_that_does_not_fit_is_refused(
    name: str, old: str, new: str, slang: ModuleType, tmp_path: Path
) -> None:
    rtl = emitted(random_mlp((48, 16, 10)), tmp_path, 1e5)
    folder = project(rtl, zynq("pynq-z1"), tmp_path / "vivado")
    change(folder / "src", name, old, new)
    assert elaborate(slang, folder / "src")[0]
