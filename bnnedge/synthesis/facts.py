"""What a synthesis found."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge import findings
from bnnedge.artifacts import Artifact
from bnnedge.design import Design
from bnnedge.families import BITSTREAM_SUFFIXES, FAMILIES
from bnnedge.findings import Check, ClockDomain, ReportData, equal
from bnnedge.links import Device
from bnnedge.links.store import Measured
from bnnedge.records import later
from bnnedge.stages import Stage, figures
from bnnedge.synthesis.nextpnr import Timing

_NETWORK = "network"


@dataclass(frozen=True, kw_only=True)
class ResourceUse:
    """A kind of cell: how many are used and available, and how many were thought to be.

    `predicted` comes of the cost model, `estimated` of Yosys, where Vivado counted `used`.
    """

    used: int | float
    available: int
    percent: float
    predicted: int | None = None
    estimated: int | None = None


@dataclass(frozen=True, kw_only=True)
class GateLevel:
    """The check of a netlist against the Dataflow: what was compared, on how many images.

    Attributes:
        compared: for people.
        images: over the link.
        clocks: of all.
        compile_s: seconds on this machine.
        run_s: likewise.
        measured: with the images that the device holds; None: it holds none.
    """

    compared: str
    images: int
    clocks: int
    compile_s: float
    run_s: float
    measured: Measured | None = later()


@dataclass(frozen=True, kw_only=True)
class BitsCheck:
    """The check of a bitstream that was read back.

    Attributes:
        compared: with the netlist: how many of each class of things, all of which are equal.
        trusted: what the comparison takes as it is.
        simulated: the check of what was read back against the Dataflow.
    """

    compared: Mapping[str, int]
    trusted: tuple[str, ...]
    simulated: GateLevel

    @property
    def checks(self) -> tuple[Check, ...]:
        """What it established."""
        each = ", ".join(f"{count:,} {what}" for what, count in self.compared.items())
        return (
            equal(
                "netlist",
                "bits",
                each,
                values=sum(self.compared.values()),
                reason=f"for all inputs; trusted: {' and '.join(self.trusted)}",
            ),
            equal("Dataflow", "bits", self.simulated.compared, images=self.simulated.images),
        )

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        counts = [f"  {count:,} {what}" for what, count in self.compared.items()]
        answers = f"Dataflow == bits: {self.simulated.images} images"
        trusted = f"trusted: {', '.join(self.trusted)}"
        return ["netlist == bits, for all inputs:", *counts, answers, trusted]


@dataclass(frozen=True, kw_only=True)
class SynthesisFacts:
    """A bitstream, or an estimate.

    Attributes:
        board: its name.
        family: of its FPGA.
        fpga: its FPGA.
        link: the way to it, for people.
        estimate: nothing was placed and routed; `note` says what was done.
        device: the record of the device around the network, `device.json`.
        images_per_second: of the network, and of the way to it where that is known.
        resources: by the names that the board's family has for them.
        seconds: that each step took.
        bitstream: its file.
        seed: of placement.
        timing: after routing.
        clocks: every one after routing, where nextpnr has routed it.
        cells_by_instance: mapped cells of each kernel.
        gate_level: the check of the netlist.
        bits: the check of the bitstream, read back.
        not_read_back: why there is none.
        fits: an estimate leaves room for what goes around the network.
        critical_warnings: of Vivado.
        note: on an estimate.
    """

    board: str
    family: str
    fpga: str
    estimate: bool
    device: Mapping[str, Any]
    link: str
    images_per_second: Mapping[str, float]
    resources: Mapping[str, ResourceUse]
    seconds: Mapping[str, float]
    bitstream: str | None = None
    seed: int | None = None
    timing: Timing | None = None
    clocks: tuple[ClockDomain, ...] | None = None
    cells_by_instance: Mapping[str, Mapping[str, int]] | None = None
    gate_level: GateLevel | None = None
    bits: BitsCheck | None = None
    not_read_back: str | None = None
    fits: bool | None = None
    critical_warnings: tuple[str, ...] | None = None
    note: str | None = None

    @property
    def target(self) -> str:
        """What it is for, for people."""
        return f"{self.board} ({self.fpga})"

    @property
    def end_of_chain(self) -> str | None:
        """Why the equalities end before the bitstream, where one was made."""
        if self.estimate or self.bits is not None:
            return None
        reason = self.not_read_back or "it was not tried"
        return f"{reason}; the chain of equalities ends at the netlist"

    @property
    def remarks(self) -> list[str]:
        """What people have to be told beside checks."""
        reason = self.end_of_chain
        return [] if reason is None else [f"bitstream not read back: {reason}"]

    @property
    def measurements(self) -> list[str]:
        """The network's own rate, where the device holds images."""
        sides = (
            ("netlist", self.gate_level),
            ("bitstream, read back", self.bits and self.bits.simulated),
        )
        return [
            check.measured.line(subject) for subject, check in sides if check and check.measured
        ]

    @property
    def size_and_speed(self) -> list[str]:
        """What it takes of the device, and how fast it is."""
        names = FAMILIES[self.family].resources
        return [
            *(
                f"{names[kind]}: {use.used:,} of {use.available:,}, {use.percent:.1f} %"
                for kind, use in self.resources.items()
            ),
            *(
                f"{name.replace('_', ' ')}: {rate:,.0f} images/s"
                for name, rate in self.images_per_second.items()
            ),
        ]

    @property
    def fmax_mhz(self) -> float | None:
        """The highest clock after routing."""
        return None if self.timing is None else self.timing.reached_mhz

    @property
    def link_images_per_second(self) -> float | None:
        """What the way to the network allows; None where it is never the limit."""
        ways = (rate for name, rate in self.images_per_second.items() if name != _NETWORK)
        return min(ways, default=None)


def images_per_second(design: Design, device: Device) -> dict[str, float]:
    """What the network and the way to it allow, each by its name."""
    network = round(device.clock_hz / design.interval_cycles, 1)
    return {_NETWORK: network, **device.images_per_second(design)}


_SIDES = ("Dataflow", "netlist")


def left_to_do(synth: Path) -> str:
    """What is left to do for the bitstream of a Zynq board, whose folder was given."""
    return (
        f"Vivado was not run here. Where it is: sh {synth}/vivado/run.sh; it leaves .bit and .hwh"
        f" in {synth}/vivado/output, where `bnnedge package` takes them from"
    )


def _checks(facts: SynthesisFacts) -> tuple[Check, ...]:
    gate = facts.gate_level
    first = () if gate is None else (equal(*_SIDES, gate.compared, images=gate.images),)
    return first if facts.bits is None else (*first, *facts.bits.checks)


def _section(
    report: ReportData, artifact: Artifact[SynthesisFacts], read: tuple[Path, ...]
) -> ReportData:
    """Where the design goes, if nothing has said so before, and what it takes there."""
    facts = artifact.facts
    not_run = report.not_run
    if facts.estimate and report.board is None:
        reason = "Vivado was not found; its project is in synth/vivado, Yosys estimates the logic"
        not_run += (findings.NotRun(step="Bitstream, place and route", reason=reason),)
    elif facts.estimate:
        reason = "no open place and route exists for it; Yosys estimates the logic"
        not_run += (findings.NotRun(step=f"The {facts.fpga} figures in hardware", reason=reason),)
    elif end := facts.end_of_chain:
        not_run += (findings.NotRun(step="Bitstream read back", reason=end),)
    return dataclasses.replace(
        report,
        board=report.board or _board(facts),
        synthesis=(*report.synthesis, _synthesis(facts)),
        not_run=not_run,
    )


def _board(facts: SynthesisFacts) -> findings.Board:
    return findings.Board(
        name=facts.board,
        device=facts.fpga,
        clock_mhz=facts.device["clock_hz"] / 1e6,
        fmax_mhz=facts.fmax_mhz,
        link=facts.link,
        link_images_per_second=facts.link_images_per_second,
    )


def _synthesis(facts: SynthesisFacts) -> findings.Synthesis:
    family = FAMILIES[facts.family]
    return findings.Synthesis(
        target=facts.target,
        tool=f"{family.estimate}" if facts.estimate else f"{family.flow}, placed and routed",
        totals=tuple(
            findings.ResourceUse(
                name=family.resources[kind],
                used=use.used,
                available=use.available,
                predicted=use.predicted,
            )
            for kind, use in facts.resources.items()
        ),
        estimate=facts.estimate,
        fmax_mhz=facts.fmax_mhz,
        clocks=facts.clocks or (),
        layers=tuple(
            findings.LayerResources(layer=layer, used=tuple(family.used_by(cells)))
            for layer, cells in (facts.cells_by_instance or {}).items()
        ),
    )


def _lines(facts: SynthesisFacts) -> list[str]:
    return [
        *figures(dataclasses.replace(facts, not_read_back=None)),
        *facts.size_and_speed,
        *(clock.line for clock in facts.clocks or ()),
        *(check.line for check in _checks(facts)),
        *facts.measurements,
        *facts.remarks,
    ]


SYNTH = Stage(
    kind="synth",
    facts=SynthesisFacts,
    rooms=("synthesis", "hardware/sv", "readback"),
    compares=_SIDES,
    checks=_checks,
    section=_section,
    lines=_lines,
    shown=(
        *(f"*{suffix}" for suffix in sorted(BITSTREAM_SUFFIXES)),
        "netlist.v",
        "*bnnedge_core.sv",
    ),
)
