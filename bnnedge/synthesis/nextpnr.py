"""nextpnr: running it, and what its report and its log say."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.errors import SynthesisError, ToolFailedError, named
from bnnedge.families.placed import (
    DELAYS,
    MAPPED_JSON,
    NETLIST_JSON,
    REPORT,
    ROUTED_JSON,
    FpgaBoard,
)
from bnnedge.findings import ClockDomain, Hold
from bnnedge.synthesis.hold import hold_margins, read_delays


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much of one kind of cell the design takes."""

    used: int
    available: int

    @property
    def percent(self) -> float:
        """Utilisation in percent."""
        return round(100 * self.used / self.available, 1) if self.available else 0.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The network's clock after routing.

    Attributes:
        requested_mhz: what the PLL delivers.
        reached_mhz: what the routed design can do (Fmax).
        critical_path: the slowest path's cells, from register to register, with the delay of
            logic and wires in ns.
    """

    requested_mhz: float
    reached_mhz: float
    critical_path: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Routed:
    """What nextpnr reports; `timing` is of the network's clock, `clocks` has every one."""

    usage: Mapping[str, Usage]
    timing: Timing
    clocks: tuple[ClockDomain, ...]


def run_nextpnr(
    board: FpgaBoard, *, clock_mhz: float, seed: int, cwd: Path, log: Path, timeout_s: float
) -> Routed:
    """Place and route the netlist in `cwd`, beside its constraints, as the family prepares it.

    As it was before that it is left there as `MAPPED_JSON`.

    Raises:
        ToolMissingError: the family's nextpnr is not installed.
        SynthesisError: the design does not fit the board's FPGA or was not routed.
        ToolFailedError: anything else.
    """
    family = board.family
    shutil.copyfile(cwd / NETLIST_JSON, cwd / MAPPED_JSON)
    family.prepare(cwd / NETLIST_JSON)
    try:
        tools.run(
            [tools.find(family.place_tool), *family.place_arguments(board, seed=seed)],
            cwd=cwd,
            log=log,
            timeout_s=timeout_s,
        )
    except ToolFailedError:
        raise_cause(log.read_text(errors="replace", encoding="utf-8"), board)
        raise
    report = json.loads((cwd / REPORT).read_text(encoding="utf-8"))
    holds = read_holds(cwd) if (cwd / DELAYS).is_file() else {}
    return read_report(report, clock_mhz=clock_mhz, holds=holds)


def read_holds(cwd: Path) -> Mapping[str, Hold]:
    """The least hold margin of each clock, by its net, of the delays and the design in a folder.

    Raises:
        SynthesisError: the delays are not understood.
    """
    margins = hold_margins(read_delays((cwd / DELAYS).read_text(encoding="utf-8")))
    modules = json.loads((cwd / ROUTED_JSON).read_text(encoding="utf-8"))["modules"]
    top = max(modules.values(), key=lambda module: len(module["cells"]))
    names = {bit: name for name, net in top["netnames"].items() for bit in net["bits"]}
    return {
        names[top["cells"][cell]["connections"][port][0]]: hold
        for (cell, port), hold in margins.items()
    }


_USAGE_LINE = re.compile(r"^Info:\s+([A-Z0-9_]+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)


_BOARD_LINE = re.compile(
    r"^ERROR: (.*(?:does not exist for package|does not have a pin named|Unsupported package).*)$",
    re.MULTILINE,
)


def raise_cause(log: str, board: FpgaBoard) -> None:
    """Raise what a failed run's log says is wrong with the design; return if it says nothing.

    Raises:
        SynthesisError: too large, or not routed; or the board has a pin that its FPGA has not.
    """
    if wrong := _BOARD_LINE.search(log):
        raise SynthesisError(
            f"{board.name}: {wrong.group(1).rstrip('.')}",
            remedy="correct package and pins in the board's file",
        )
    for kind, used, available in _USAGE_LINE.findall(log):
        if int(used) > int(available):
            raise SynthesisError(
                f"{board.name}: the design needs {used} {kind}, the {board.device} has {available}",
                remedy=f"fold more (a lower {named('target_fps')}) or choose a larger board",
            )
    if "Routing design" in log or "Routing.." in log:
        raise SynthesisError(
            f"{board.name}: the design fits by count but was not routed",
            remedy=f"fold more (a lower {named('target_fps')}), or try another {named('seed')}",
        )


def read_report(
    report: Mapping[str, Any], *, clock_mhz: float, holds: Mapping[str, Hold]
) -> Routed:
    """Interpret nextpnr's JSON report.

    Args:
        report: the JSON.
        clock_mhz: of the network; its clock is the one with the constraint nearest to that.
        holds: by clocks' names.

    Raises:
        SynthesisError: it has no clock.
    """
    clocks: Mapping[str, Mapping[str, float]] = report.get("fmax", {})
    if not clocks:
        raise SynthesisError("the routed design has no clock")

    def distance(name: str) -> tuple[float, float]:
        return abs(clocks[name]["constraint"] - clock_mhz), clocks[name]["achieved"]

    own = min(clocks, key=distance)
    return Routed(
        usage={
            kind: Usage(used=record["used"], available=record["available"])
            for kind, record in report["utilization"].items()
        },
        timing=Timing(
            requested_mhz=clock_mhz,
            reached_mhz=round(clocks[own]["achieved"], 2),
            critical_path=_critical_path(report, own),
        ),
        clocks=tuple(
            ClockDomain(
                name=name,
                wanted_mhz=clock_mhz if name == own else round(clock["constraint"], 2),
                reached_mhz=round(clock["achieved"], 2),
                hold=holds.get(name),
            )
            for name, clock in sorted(clocks.items())
        ),
    )


def _critical_path(report: Mapping[str, Any], clock: str) -> tuple[Mapping[str, Any], ...]:
    for path in report.get("critical_paths", []):
        ends = {path["from"].split()[-1], path["to"].split()[-1]}
        if ends == {clock}:
            return tuple(
                {
                    "type": step["type"],
                    "ns": round(step["delay"], 2),
                    "to": step["to"]["cell"],
                }
                for step in path["path"]
            )
    return ()
