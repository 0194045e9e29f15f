"""Vivado: a project for a Zynq board as a folder of its own, and what a run of it says.

The Tcl is in `tcl/`, whole and as it runs; only `settings.tcl` is generated. `build.tcl` packages
the network with its AXI ports as an IP, puts it beside the processing system and an AXI DMA, and
goes to the bitstream. docs/reference/vivado.md says what of this has been run.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.design import Design
from bnnedge.errors import SynthesisError, ToolFailedError, named
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.links.axi import AxiDevice, axi_parameters
from bnnedge.progress import Progress
from bnnedge.synthesis.nextpnr import Timing

PROJECT_FOLDER = "vivado"
OUTPUT_FOLDER = "output"
RUN_SCRIPT = "run.sh"
OLDEST_VERSION = "2020.2"
_TCL_FOLDER = Path(__file__).parent / "tcl"
_SCRIPTS = ("build.tcl", "steps.tcl", "package_ip.tcl", "block_design.tcl", RUN_SCRIPT)
_SOURCES = "src"
_MEMORIES = "mem"
_TIMING_REPORT = "timing.rpt"
_UTILIZATION_REPORT = "utilization.rpt"
_IP_TOP = "bnnedge_axi"
_STEP = "bnnedge: "

FATAL_MESSAGES = {
    "BD 41-737": "a property that Vivado propagates was set",
    "BD 41-1276": "a property that does not exist was set",
    "BD 41-1356": "a slave has no address",
    "Synth 8-4445": "a memory file was not found",
}
"""What Vivado warns of and goes on, though the result would be wrong; all else is the user's."""


def write_project(
    design: Design, board: ZynqBoard, rtl: Path, *, clock_hz: int, folder: Path
) -> None:
    """Write everything that Vivado needs into `folder`; no path in it is absolute.

    Args:
        design: the network.
        board: what it is for.
        rtl: folder with the files of `design`.
        clock_hz: from the board's family.
        folder: to be made.
    """
    sources = folder / _SOURCES
    (sources / _MEMORIES).mkdir(parents=True)
    for name in design.memories:
        shutil.copyfile(rtl / name, sources / _MEMORIES / Path(name).name)
    parameters = axi_parameters(design)
    for path in (*(rtl / name for name in design.sources), *AxiDevice.sources(design)):
        text = path.read_text(encoding="utf-8")
        if path.stem == _IP_TOP:
            text = _without_parameters(text, parameters)
        # Yosys' name of the style, and Vivado's (UG901).
        text = text.replace('rom_style = "logic"', 'rom_style = "distributed"')
        (sources / path.name).write_text(text, encoding="utf-8")
    for name in _SCRIPTS:
        shutil.copy(_TCL_FOLDER / name, folder / name)
    shutil.copyfile(_TCL_FOLDER / f"{board.family.ps.value}.tcl", folder / "ps.tcl")
    (folder / "settings.tcl").write_text(_settings(design, board, clock_hz), encoding="utf-8")


def _without_parameters(verilog: str, parameters: Mapping[str, int]) -> str:
    """`bnnedge_axi.v` with numbers in place of its parameters.

    A parameter whose default is an expression becomes no parameter of the packaged IP, and keeps
    the value that the other defaults give.
    """
    text, headers = re.subn(
        rf"\bmodule {_IP_TOP} #\(.*?\n\) \(", f"module {_IP_TOP} (", verilog, flags=re.DOTALL
    )
    assert headers == 1
    for name, value in parameters.items():
        number = f"32'h{value:08x}" if name == "ID_WORD" else str(value)
        text = re.sub(rf"\b{name}\b", number, text)
    return text


def _settings(design: Design, board: ZynqBoard, clock_hz: int) -> str:
    parameters = axi_parameters(design)
    values = {
        "name": design.name,
        "id_word": f"0x{design.id_word:08x}",
        "part": board.part,
        "clock_mhz": f"{clock_hz / 1e6:.6f}",
        "max_clock_mhz": f"{board.max_clock_mhz:g}",
        "memory_bytes": str(board.memory_mib << 20),
        "in_bits": str(parameters["IN_WIDTH"]),
        "out_bits": str(parameters["OUT_WIDTH"]),
        "oldest_vivado": OLDEST_VERSION,
    }
    properties = board.ps_properties.items()
    return "".join(
        [
            f"# For {board.name}, written by bnnedge.\n",
            *(f"set {name} {_word(value)}\n" for name, value in values.items()),
            "set ps_properties {\n",
            *(f"    {_word(name)} {_word(str(value))}\n" for name, value in properties),
            "}\n",
            "set fatal_messages {\n",
            *(f"    {_word(message)}\n" for message in FATAL_MESSAGES),
            "}\n",
        ]
    )


def _word(text: str) -> str:
    """`text` as one word of Tcl."""
    return re.sub(r"[^\w.-]", lambda match: "\\" + match.group(), text, flags=re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Implemented:
    """What Vivado's reports say.

    Attributes:
        used: lut, ff, carry4 or carry8, bram36, dsp.
        timing: of the one clock.
        critical_warnings: the first of each kind, with how many more there were.
    """

    used: Mapping[str, float]
    timing: Timing
    critical_warnings: tuple[str, ...]


def check_version() -> None:
    """Raises SynthesisError if the Vivado on PATH is older than `OLDEST_VERSION`."""
    said = tools.version("vivado")
    found = re.search(r"(\d+)\.(\d+)", said)
    oldest = tuple(map(int, OLDEST_VERSION.split(".")))
    if found is None or tuple(map(int, found.groups())) < oldest:
        raise SynthesisError(
            f"wanted Vivado {OLDEST_VERSION} or later, got {said!r}",
            remedy=f"put a newer one on PATH, or give {named('vivado', False)}",
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
        progress: called with the name of each step as it begins, and with what Vivado warned of.

    Raises:
        ToolFailedError: it failed, took too long, or warned of one of `FATAL_MESSAGES`.
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
    if cause := _cause(messages, log):
        raise cause
    warnings = _first_of_each_kind(messages)
    for warning in warnings:
        progress(warning)
    output = project / OUTPUT_FOLDER
    try:
        result = Implemented(
            used=read_utilization((output / _UTILIZATION_REPORT).read_text(encoding="utf-8")),
            timing=read_timing(
                (output / _TIMING_REPORT).read_text(encoding="utf-8"), clock_mhz=clock_mhz
            ),
            critical_warnings=warnings,
        )
    except FileNotFoundError as error:
        raise SynthesisError(
            f"Vivado left no {Path(error.filename).name}", remedy=f"see {log}"
        ) from None
    for name in ("package_ip", "project", "ip", "ip_src", ".Xil"):
        shutil.rmtree(project / name, ignore_errors=True)
    return result


def _messages(project: Path, log: Path) -> list[str]:
    """Errors, then critical warnings, of a run and of the runs that it launched."""
    logs = [log, *sorted(project.glob("project/project.runs/*/runme.log"))]
    lines = [
        line
        for path in logs
        for line in path.read_text(errors="replace", encoding="utf-8").splitlines()
    ]
    return [
        line
        for kind in ("ERROR:", "CRITICAL WARNING:")
        for line in dict.fromkeys(lines)
        if line.startswith(kind)
    ]


def _message_id(line: str) -> str:
    """`BD 41-737` of a message; "" where it has none."""
    found = re.match(r"[A-Z ]+: \[(.+?)\]", line)
    return found.group(1) if found else ""


def _first_of_each_kind(messages: Sequence[str]) -> tuple[str, ...]:
    kinds: dict[str, list[str]] = {}
    for line in messages:
        kinds.setdefault(_message_id(line), []).append(line)
    return tuple(_first_of(lines) for lines in kinds.values())


def _first_of(messages: Sequence[str]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return messages[0] + more


def _cause(messages: Sequence[str], log: Path) -> SynthesisError | ToolFailedError | None:
    """What a run failed for; None where it gave no error and no fatal warning."""
    for message in messages:
        if "timing is not met" in message:
            return SynthesisError(
                message.partition("] ")[2], remedy=f"a lower {named('clock_mhz')}, or fold more"
            )
    fatal = [line for line in messages if _message_id(line) in FATAL_MESSAGES]
    if fatal:
        return ToolFailedError(
            f"Vivado: {FATAL_MESSAGES[_message_id(fatal[0])]}: {_first_of(fatal)}",
            remedy=f"see {log}",
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

    Args:
        report: its text.
        clock_mhz: that the board will run at; the report may be for a faster one.

    Raises:
        SynthesisError: there is none.
    """
    found = re.search(r"^\s*WNS\(ns\).*\n[\s-]*\n\s*(-?\d+\.\d+)\s", report, re.MULTILINE)
    if found is None:
        raise SynthesisError("Vivado's timing report has no worst negative slack (WNS)")
    clock = re.search(r"^clk_(?:fpga|pl)_0\s+\{[\d. ]+\}\s+(\d+\.\d+)\s", report, re.MULTILINE)
    period_ns = float(clock.group(1)) if clock else 1000 / clock_mhz
    reached = 1000 / (period_ns - float(found.group(1)))
    return Timing(requested_mhz=clock_mhz, reached_mhz=round(reached, 2), critical_path=())
