"""Yosys: running a script, and what its statistics say.

Every path is relative to the folder in which Yosys runs: the WebAssembly build sees no other.
"""

import json
import shutil
from collections import Counter
from pathlib import Path

from bnnedge import tools
from bnnedge.errors import SynthesisError, ToolFailedError
from bnnedge.families.base import Cells
from bnnedge.families.placed import NETLIST_JSON, NETLIST_VERILOG, STATISTICS, PlacedFamily

_SCRIPT = "synth.ys"
# Where a flattened cell's name begins when it is inside the network.
_CORE_PREFIX = "i_device.i_core."


def run_yosys(script: str, *, cwd: Path, log: Path, timeout_s: float) -> Counter[str]:
    """Run a script in `cwd` and return the cells of the top module by type.

    Raises:
        ToolMissingError: Yosys is not installed.
        ToolFailedError: it failed.
        SynthesisError: it left no statistics.
    """
    (cwd / _SCRIPT).write_text(script, encoding="utf-8")
    try:
        tools.run([tools.find("yosys"), "-q", "-s", _SCRIPT], cwd=cwd, log=log, timeout_s=timeout_s)
    except ToolFailedError as error:
        # Inside `tee -q` an error goes to the teed file alone.
        for teed in cwd.glob("synth_*.log"):
            lines = teed.read_text(errors="replace", encoding="utf-8").splitlines()
            cause = next((line for line in lines if line.startswith("ERROR")), None)
            if cause is not None:
                shutil.copyfile(teed, log)
                raise ToolFailedError(f"Yosys: {cause}", remedy=f"see {log}") from error
        raise
    try:
        return read_statistics((cwd / STATISTICS).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SynthesisError(
            f"Yosys left no statistics ({type(error).__name__}: {error})", remedy=f"see {log}"
        ) from error


def write_verilog(*, cwd: Path, log: Path, timeout_s: float) -> None:
    """Write the netlist in `cwd` as Verilog again, after a family has changed it.

    Raises:
        ToolMissingError, ToolFailedError: of Yosys.
    """
    script = f"read_json {NETLIST_JSON}; write_verilog -noattr {NETLIST_VERILOG}"
    tools.run([tools.find("yosys"), "-q", "-p", script], cwd=cwd, log=log, timeout_s=timeout_s)


def read_statistics(text: str) -> Counter[str]:
    """Cells by type from the output of `stat -json`."""
    record = json.loads(text)
    cells = record["design"]["num_cells_by_type"]
    return Counter({str(kind): int(count) for kind, count in cells.items()})


def cells_by_instance(netlist: Path, family: PlacedFamily) -> dict[str, Cells]:
    """Mapped cells of the flattened netlist by instance in `bnnedge_core`; "device" is the rest.

    A register or memory keeps its instance's name through flattening; a lookup table is named by
    Yosys after a net nearby, so at the seam between two instances it may count for either.
    """
    modules = json.loads(netlist.read_text(encoding="utf-8"))["modules"]
    top = next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    found: dict[str, Counter[str]] = {}
    for name, cell in top["cells"].items():
        found.setdefault(_instance(name), Counter())[cell["type"]] += 1
    return {instance: family.count_cells(kinds) for instance, kinds in sorted(found.items())}


def _instance(cell: str) -> str:
    if not cell.startswith(_CORE_PREFIX):
        return "device"
    inside = cell.removeprefix(_CORE_PREFIX)
    # A net of the core itself ("stream_valid_LUT4_Z") belongs to no instance.
    return inside.split(".", 1)[0].removeprefix("i_") if inside.startswith("i_") else "core"
