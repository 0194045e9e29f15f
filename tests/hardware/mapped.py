"""Kernels mapped by Yosys, out of context."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from bnnedge import tools
from bnnedge.families.ecp5 import Ecp5
from bnnedge.hardware.kernels import SV_FOLDER, Kernel
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
    for module in (kernel.module, *kernel.submodules):
        shutil.copyfile(SV_FOLDER / f"{module}.sv", folder / f"{module}.sv")
    (folder / "top.sv").write_text(top_text(kernel))
    names = " ".join(sorted(path.name for path in folder.glob("*.sv")))
    replaced = []
    if synthesis == ECP5:
        Ecp5().write_overrides(folder)
        replaced = Ecp5().override_commands()
    script = (
        f"read_verilog -sv -defer {names}",
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
