"""Vivado: a project for a Zynq board as a folder of its own, and what a run of it says.

The Tcl is in `tcl/`, whole and as it runs; only `settings.tcl` is generated. `build.tcl` packages
the network with its AXI ports as an IP, puts it beside the processing system and an AXI DMA, and
goes to the bitstream. docs/vivado.md says what of this has been run.
"""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.design import TOP_MODULE, Design
from bnnedge.device import axi_parameters, axi_sources
from bnnedge.errors import SynthesisError, ToolFailedError
from bnnedge.synthesis.boards import ZynqBoard
from bnnedge.synthesis.nextpnr import Timing

PROJECT_FOLDER = "vivado"
OUTPUT_FOLDER = "output"
RUN_SCRIPT = "run.sh"
OLDEST_VERSION = "2020.2"
_TCL_FOLDER = Path(__file__).parent / "tcl"
_SCRIPTS = ("build.tcl", "steps.tcl", "package_ip.tcl", "block_design.tcl", RUN_SCRIPT)
_SOURCES = "src"
_TIMING_REPORT = "timing.rpt"
_UTILIZATION_REPORT = "utilization.rpt"
_MOST_DIVISOR = 63  # of each of the two dividers behind a PLL (UG585, UG1085)
_MIN_CLOCK_MHZ = 10.0
_STEP = "bnnedge: "

Progress = Callable[[str], None]


def plan_clock(board: ZynqBoard, wanted_mhz: float | None) -> int:
    """The clock in Hz nearest to the wanted one that the processing system can divide.

    Raises:
        SynthesisError: it is out of range.
    """
    wanted = wanted_mhz or board.default_clock_mhz
    if not _MIN_CLOCK_MHZ <= wanted <= board.max_clock_mhz:
        raise SynthesisError(
            f"clock_mhz: wanted {_MIN_CLOCK_MHZ:g} to {board.max_clock_mhz:g} MHz for"
            f" {board.name}, got {wanted:g}"
        )
    divisors = range(1, _MOST_DIVISOR + 1)
    possible = {board.pll_mhz / (first * second) for first in divisors for second in divisors}
    allowed = [mhz for mhz in possible if mhz <= board.max_clock_mhz]
    return round(min(allowed, key=lambda mhz: abs(mhz - wanted)) * 1e6)


def write_project(
    design: Design, board: ZynqBoard, rtl: Path, *, clock_hz: int, folder: Path
) -> None:
    """Write everything that Vivado needs into `folder`; no path in it is absolute.

    Args:
        design: the network.
        board: what it is for.
        rtl: folder with the files of `design`.
        clock_hz: from `plan_clock`.
        folder: to be made.
    """
    sources = folder / _SOURCES
    sources.mkdir(parents=True)
    for path in (
        *(rtl / name for name in (*design.sources, *design.memories)),
        *axi_sources(design),
    ):
        shutil.copyfile(path, sources / path.name)
    # Vivado looks for memory files beside the source that names them.
    core = sources / f"{TOP_MODULE}.sv"
    core.write_text(core.read_text().replace('"mem/', '"'))
    for name in _SCRIPTS:
        shutil.copy(_TCL_FOLDER / name, folder / name)
    shutil.copyfile(_TCL_FOLDER / f"{board.ps.value}.tcl", folder / "ps.tcl")
    (folder / "settings.tcl").write_text(_settings(design, board, clock_hz))


def _settings(design: Design, board: ZynqBoard, clock_hz: int) -> str:
    parameters = axi_parameters(design)
    values = {
        "name": design.name,
        "id_word": f"0x{design.id_word:08x}",
        "part": board.part,
        "reference_mhz": f"{board.reference_mhz:g}",
        "clock_mhz": f"{clock_hz / 1e6:.6f}",
        "oldest_vivado": OLDEST_VERSION,
    }
    return "".join(
        [
            f"# For {board.name}, written by bnnedge.\n",
            *(f"set {name} {_word(value)}\n" for name, value in values.items()),
            "set parameters {\n",
            *(f"    {name} {_value(name, value)}\n" for name, value in parameters.items()),
            "}\n",
        ]
    )


def _value(name: str, value: int) -> str:
    """A parameter's value as the IP packager has it: bit vectors are hexadecimal."""
    return f"0x{value:08x}" if name == "ID_WORD" else str(value)


def _word(text: str) -> str:
    """`text` as one word of Tcl."""
    return re.sub(r"[^\w.-]", lambda match: "\\" + match.group(), text, flags=re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Implemented:
    """What Vivado's reports say.

    Attributes:
        used: lut, ff, carry4 or carry8, bram36, dsp.
        timing: of the one clock.
    """

    used: Mapping[str, float]
    timing: Timing


def check_version() -> None:
    """Raises SynthesisError if the Vivado on PATH is older than `OLDEST_VERSION`."""
    said = tools.version("vivado")
    found = re.search(r"(\d+)\.(\d+)", said)
    oldest = tuple(map(int, OLDEST_VERSION.split(".")))
    if found is None or tuple(map(int, found.groups())) < oldest:
        raise SynthesisError(
            f"wanted Vivado {OLDEST_VERSION} or later, got {said!r}",
            remedy="put a newer one on PATH, or give --no-vivado",
        )


def run_vivado(
    project: Path, *, clock_mhz: float, log: Path, timeout_s: float, progress: Progress
) -> Implemented:
    """Run a project in batch mode and read its reports; its working files are removed.

    Args:
        project: folder that `write_project` wrote.
        clock_mhz: that it was written for.
        log: for Vivado's output.
        timeout_s: it is stopped after that.
        progress: called with the name of each step as it begins.

    Raises:
        ToolFailedError: it failed, took too long, or gave a critical warning.
        SynthesisError: the clock is not reached, or a report is missing.
    """

    def tell(line: str) -> None:
        if line.startswith(_STEP):
            progress(line.removeprefix(_STEP))

    arguments = ["-mode", "batch", "-notrace", "-nojournal", "-nolog", "-source", "build.tcl"]
    try:
        tools.run(
            [tools.find("vivado"), *arguments],
            cwd=project,
            log=log,
            timeout_s=timeout_s,
            on_line=tell,
        )
    except ToolFailedError as error:
        raise _cause(_messages(project, log), log) or error from None
    messages = _messages(project, log)
    if messages:
        raise _cause(messages, log) or ToolFailedError(
            f"Vivado: {_first_of(messages)}",
            remedy=f"see {log}; to judge the result by yourself, give --no-vivado and run"
            f" {PROJECT_FOLDER}/{RUN_SCRIPT}",
        )
    output = project / OUTPUT_FOLDER
    try:
        result = Implemented(
            used=read_utilization((output / _UTILIZATION_REPORT).read_text()),
            timing=read_timing((output / _TIMING_REPORT).read_text(), clock_mhz=clock_mhz),
        )
    except FileNotFoundError as error:
        raise SynthesisError(
            f"Vivado left no {Path(error.filename).name}", remedy=f"see {log}"
        ) from None
    for name in ("package_ip", "project", "ip", ".Xil"):
        shutil.rmtree(project / name, ignore_errors=True)
    return result


def _messages(project: Path, log: Path) -> list[str]:
    """Errors, then critical warnings, of a run and of the runs that it launched."""
    logs = [log, *sorted(project.glob("project/project.runs/*/runme.log"))]
    lines = [line for path in logs for line in path.read_text(errors="replace").splitlines()]
    return [
        line
        for kind in ("ERROR:", "CRITICAL WARNING:")
        for line in dict.fromkeys(lines)
        if line.startswith(kind)
    ]


def _first_of(messages: Sequence[str]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return messages[0] + more


def _cause(messages: Sequence[str], log: Path) -> SynthesisError | ToolFailedError | None:
    """What a run failed for; None where it gave no error."""
    for message in messages:
        if "timing is not met" in message:
            return SynthesisError(
                message.partition("] ")[2], remedy="a lower --clock-mhz, or fold more"
            )
    if messages and messages[0].startswith("ERROR:"):
        return ToolFailedError(f"Vivado: {_first_of(messages)}", remedy=f"see {log}")
    return None


_ROWS = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "bram36": ("Block RAM Tile",),
    "dsp": ("DSPs",),
    "carry4": ("CARRY4",),
    "carry8": ("CARRY8",),
}


def read_utilization(report: str) -> dict[str, float]:
    """Resources in the tables of `report_utilization`: lut, ff, carry4 or carry8, bram36, dsp.

    Raises:
        SynthesisError: one of them is not there.
    """
    rows: dict[str, float] = {}
    for line in report.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) > 1 and re.fullmatch(r"\d+(\.\d+)?", cells[1]):
            rows.setdefault(cells[0].rstrip("*"), float(cells[1]))
    found = {kind: rows[name] for kind, names in _ROWS.items() for name in names if name in rows}
    for kind in ("lut", "ff", "bram36", "dsp"):
        if kind not in found:
            raise SynthesisError(f"Vivado's utilization report has no row {_ROWS[kind][0]!r}")
    return found


def read_timing(report: str, *, clock_mhz: float) -> Timing:
    """The clock that the worst setup slack in `report_timing_summary` leaves.

    Raises:
        SynthesisError: there is none.
    """
    found = re.search(r"^\s*WNS\(ns\).*\n[\s-]*\n\s*(-?\d+\.\d+)\s", report, re.MULTILINE)
    if found is None:
        raise SynthesisError("Vivado's timing report has no worst negative slack (WNS)")
    reached = 1000 / (1000 / clock_mhz - float(found.group(1)))
    return Timing(requested_mhz=clock_mhz, reached_mhz=round(reached, 2), critical_path=())
