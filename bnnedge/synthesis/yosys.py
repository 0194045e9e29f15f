"""Yosys: scripts as values, and what its statistics say.

For ECP5, modules in `cells/` take the place of the portable ones of the same name, or are used by
those that do.

Every path is relative to the folder in which Yosys runs: the WebAssembly build sees no other.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.design import TOP_MODULE
from bnnedge.errors import SynthesisError, ToolFailedError
from bnnedge.synthesis.boards import Family

NETLIST_JSON = "netlist.json"
NETLIST_VERILOG = "netlist.v"
CELL_FOLDER = Path(__file__).parent / "cells"
ECP5_MODULES = ("adder_row", "popcount")
_ECP5_FOLDER = "ecp5"
_SCRIPT = "synth.ys"
_STATISTICS = "stat.json"
# Where a flattened cell's name begins when it is inside the network.
_CORE_PREFIX = "i_device.i_core."


def ecp5_script(sources: Sequence[str], top: str, parameters: Mapping[str, int]) -> str:
    """The script that makes a netlist for nextpnr-ecp5 and the same as Verilog.

    It runs where `copy_ecp5_modules` was.

    `-nowidelut`: with the PFU's multiplexers a folded TFC layer takes 20 % more COMB cells at
    the same clock, and an unrolled one three times as many LUTs.
    """
    chosen = "".join(f" -chparam {name} {value}" for name, value in parameters.items())
    return _text(
        *_read(sources),
        *read_ecp5_modules(),
        f"hierarchy -top {top}{chosen}",
        f"tee -q -o synth_ecp5.log synth_ecp5 -nowidelut -top {top}",
        "delete */t:$scopeinfo",
        f"tee -q -o {_STATISTICS} stat -json",
        f"write_json {NETLIST_JSON}",
        f"write_verilog -noattr {NETLIST_VERILOG}",
    )


def copy_ecp5_modules(folder: Path) -> None:
    """Put what `read_ecp5_modules` reads into the folder in which Yosys runs."""
    (folder / _ECP5_FOLDER).mkdir()
    for module in ECP5_MODULES:
        name = f"{module}.sv"
        shutil.copyfile(CELL_FOLDER / name, folder / _ECP5_FOLDER / name)


def read_ecp5_modules() -> list[str]:
    """Commands that follow the reading of the sources in a script for ECP5."""
    return [
        f"read_verilog -sv -defer -overwrite {_ECP5_FOLDER}/{module}.sv" for module in ECP5_MODULES
    ]


def xilinx_script(sources: Sequence[str], family: Family) -> str:
    """The script that estimates `bnnedge_core` on a Xilinx FPGA."""
    return _text(
        *_read(sources),
        f"hierarchy -top {TOP_MODULE}",
        f"tee -q -o synth_xilinx.log synth_xilinx -family {family.value}"
        f" -flatten -noiopad -top {TOP_MODULE}",
        "delete */t:$scopeinfo",
        f"tee -q -o {_STATISTICS} stat -json",
    )


def _read(sources: Sequence[str]) -> list[str]:
    # -defer: a kernel with its default parameters would look for memory files that are not there.
    return [f"read_verilog -sv -defer {name}" for name in sources]


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


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
        return read_statistics((cwd / _STATISTICS).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SynthesisError(
            f"Yosys left no statistics ({type(error).__name__}: {error})", remedy=f"see {log}"
        ) from error


def read_statistics(text: str) -> Counter[str]:
    """Cells by type from the output of `stat -json`."""
    record = json.loads(text)
    cells = record["design"]["num_cells_by_type"]
    return Counter({str(kind): int(count) for kind, count in cells.items()})


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Mapped ECP5 cells.

    Attributes:
        lut4: lookup tables for logic.
        carry: CCU2C, two lookup tables each.
        lut_ram: TRELLIS_DPR16X4, six lookup tables' worth each (four of RAM, two of write port).
        ff: flip-flops.
        bram: DP16KD, 18 kbit each.
    """

    lut4: int
    carry: int
    lut_ram: int
    ff: int
    bram: int


def count_cells(kinds: Mapping[str, int]) -> Cells:
    """Sort cells by what they cost."""
    return Cells(
        lut4=kinds.get("LUT4", 0),
        carry=kinds.get("CCU2C", 0),
        lut_ram=kinds.get("TRELLIS_DPR16X4", 0),
        ff=kinds.get("TRELLIS_FF", 0),
        bram=kinds.get("DP16KD", 0),
    )


def cells_by_instance(netlist: Path) -> dict[str, Cells]:
    """Mapped cells of the flattened netlist by instance in `bnnedge_core`; "device" is the rest.

    A register or memory keeps its instance's name through flattening; a lookup table is named by
    Yosys after a net nearby, so at the seam between two instances it may count for either.
    """
    modules = json.loads(netlist.read_text(encoding="utf-8"))["modules"]
    top = next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    found: dict[str, Counter[str]] = {}
    for name, cell in top["cells"].items():
        found.setdefault(_instance(name), Counter())[cell["type"]] += 1
    return {instance: count_cells(kinds) for instance, kinds in sorted(found.items())}


def _instance(cell: str) -> str:
    if not cell.startswith(_CORE_PREFIX):
        return "device"
    inside = cell.removeprefix(_CORE_PREFIX)
    # A net of the core itself ("stream_valid_LUT4_Z") belongs to no instance.
    return inside.split(".", 1)[0].removeprefix("i_") if inside.startswith("i_") else "core"
