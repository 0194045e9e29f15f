"""Kernels mapped by Yosys, out of context."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from bnnedge import tools
from bnnedge.families.ecp5 import Ecp5
from bnnedge.hardware.kernels import SV_FOLDER, Kernel
from bnnedge.hardware.unrolled.graph import Graph
from bnnedge.hardware.unrolled.verilog import SUBMODULES, pipeline_text
from tests.hardware.bench import top_text

ECP5 = Ecp5().synthesis_commands("top")
XC7 = ["tee -q -o synth.log synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top top"]


def cells(kernel: Kernel, folder: Path, synthesis: Sequence[str] = ECP5) -> Mapping[str, int]:
    """Cells of a kernel by type.

    Args:
        kernel: what is mapped.
        folder: empty.
        synthesis: Yosys's commands for a family.
    """
    for name, text in kernel.memory_texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return _cells(top_text(kernel), (kernel.module, *kernel.submodules), folder, synthesis)


def graph_cells(graph: Graph, folder: Path) -> Mapping[str, int]:
    """Cells of an ECP5 that a graph takes, by type."""
    return _cells(pipeline_text(graph, "top", "A graph."), SUBMODULES, folder, ECP5)


def _cells(
    top: str, modules: Sequence[str], folder: Path, synthesis: Sequence[str]
) -> Mapping[str, int]:
    for module in modules:
        shutil.copyfile(SV_FOLDER / f"{module}.sv", folder / f"{module}.sv")
    (folder / "top.sv").write_text(top)
    names = " ".join(sorted(path.name for path in folder.glob("*.sv")))
    replaced = []
    if synthesis == ECP5:
        Ecp5().write_overrides(folder)
        replaced = Ecp5().override_commands()
    script = (
        f"read_verilog -sv -defer -DSYNTHESIS {names}",
        *replaced,
        "hierarchy -top top",
        *synthesis,
        "delete */t:$scopeinfo",
        "tee -q -o stat.json stat -json",
    )
    command = [tools.find("yosys"), "-q", "-p", "; ".join(script)]
    tools.run(command, cwd=folder, log=folder / "yosys.log", timeout_s=300)
    design = json.loads((folder / "stat.json").read_text())["design"]
    return dict(design["num_cells_by_type"])
