"""What a simulation found."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnedge import findings
from bnnedge.artifacts import Artifact
from bnnedge.errors import MismatchError
from bnnedge.findings import Check, ReportData, equal
from bnnedge.simulation.patterns import StreamPressure
from bnnedge.stages import Stage
from bnnedge.verilated.stream import StreamActivity

_INTERVAL_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class FifoFill:
    """How full a FIFO got.

    Attributes:
        name: of the kernel.
        depth_words: that it can hold.
        high_water_words: most words in it until the last result.
    """

    name: str
    depth_words: int
    high_water_words: int


@dataclass(frozen=True, kw_only=True)
class StallRun:
    """Images once, with one way of holding up the streams; every result was equal.

    Attributes:
        name: how they were held up.
        stall: probability of a stall in a cycle, on both sides; None for a stall pattern.
        images: simulated.
        cycles: simulated clock cycles.
        latency_cycles: from the first input beat to the end of the first result.
        interval_cycles: mean cycles between results; None for one image.
        wall_s: seconds of simulation, without compilation.
        cycles_per_s: simulated clock cycles per second of wall time.
        images_per_s: images per second of wall time.
        activity: of the internal streams.
        fifos: how full each FIFO between kernels got.
    """

    name: str
    stall: float | None
    images: int
    cycles: int
    latency_cycles: int
    interval_cycles: float | None
    wall_s: float
    cycles_per_s: float
    images_per_s: float
    activity: tuple[StreamActivity, ...]
    fifos: tuple[FifoFill, ...]


@dataclass(frozen=True, kw_only=True)
class SimulationResult:
    """A simulation in which every result equalled the Dataflow's.

    Attributes:
        name: of the network.
        images: simulated in each run, but for those with a stall pattern.
        generated: the images were generated here, random and adversarial ones.
        elements: results compared per image: accumulators, or classes.
        compile_s: seconds until the model was compiled; near 0 when it was cached.
        predicted_interval_cycles: of `design.json`.
        interval_cycles: measured in the first run without stalls; None without such a run or
            with one image.
        runs: one for each stall probability, then one for each stall pattern.
        streams: how hard each internal stream was treated; empty without stall patterns.
    """

    name: str
    images: int
    generated: bool
    elements: int
    compile_s: float
    predicted_interval_cycles: int
    interval_cycles: float | None
    runs: tuple[StallRun, ...]
    streams: tuple[StreamPressure, ...]

    @property
    def at_ends(self) -> Iterator[tuple[float, StallRun]]:
        """The runs in which only the two ends were held up, or nothing, with their stalls."""
        return ((run.stall, run) for run in self.runs if run.stall is not None)

    def require_interval(self) -> None:
        """Raise unless images came as fast as predicted, where that was measured.

        Raises:
            MismatchError: they did not.
        """
        measured, predicted = self.interval_cycles, self.predicted_interval_cycles
        if measured is not None and abs(measured / predicted - 1) > _INTERVAL_TOLERANCE:
            raise MismatchError(
                f"{self.name}: predicted {predicted} cycles/image, measured {measured:.2f}"
            )


def _checks(facts: SimulationResult) -> tuple[Check, ...]:
    return tuple(
        equal(
            "Dataflow",
            "RTL",
            "accumulators" if facts.elements > 1 else "classes",
            images=run.images,
            values=run.images * facts.elements,
            stalls=run.name if run.stall is None else f"{run.stall:g}",
        )
        for run in facts.runs
    )


def _section(
    report: ReportData, artifact: Artifact[SimulationResult], read: tuple[Path, ...]
) -> ReportData:
    facts = artifact.facts
    first = facts.runs[0]
    pipeline = report.pipeline
    if pipeline is not None:
        pipeline = dataclasses.replace(
            pipeline,
            measured_interval_cycles=facts.interval_cycles,
            latency_cycles=first.latency_cycles,
        )
    return dataclasses.replace(
        report,
        pipeline=pipeline,
        fifos=tuple(
            dataclasses.replace(fifo, high_water=_high_water(facts, fifo.name))
            for fifo in report.fifos
        ),
        streams=tuple(_streams(facts)),
        simulation=findings.SimulationSpeed(
            images=facts.images, cycles=first.cycles, wall_s=first.wall_s
        ),
    )


def _high_water(facts: SimulationResult, fifo: str) -> tuple[findings.HighWater, ...]:
    return tuple(
        findings.HighWater(stalls=stall, words=fill.high_water_words)
        for stall, run in facts.at_ends
        for fill in run.fifos
        if fill.name == fifo
    )


def _streams(facts: SimulationResult) -> Iterator[findings.StreamActivity]:
    hardest = {stream.name: stream for stream in facts.streams}
    for stall, run in facts.at_ends:
        for stream in run.activity:
            most = hardest.get(stream.name)
            busy = stream.transfers + stream.stalled_cycles + stream.starved_cycles
            yield findings.StreamActivity(
                stream=stream.name,
                moving=stream.transfers,
                blocked=stream.stalled_cycles,
                starved=stream.starved_cycles,
                idle=stream.cycles - busy,
                stalls=stall,
                most_blocked=None if most is None else most.blocked,
                most_starved=None if most is None else most.starved,
            )


def _lines(facts: SimulationResult) -> list[str]:
    lines = [
        f"{run.name}: {run.images} images equal to the Dataflow, {run.cycles} cycles,"
        f" {run.cycles_per_s:,.0f} cycles/s, {run.images_per_s:,.0f} images/s simulated"
        for run in facts.runs
    ]
    if facts.interval_cycles is not None:
        lines.append(
            f"measured {facts.interval_cycles:.2f} cycles/image,"
            f" predicted {facts.predicted_interval_cycles};"
            f" latency {facts.runs[0].latency_cycles} cycles"
        )
    if facts.streams:
        lines.append(
            f"{len(facts.streams)} internal streams, each blocked in at least"
            f" {min(stream.blocked for stream in facts.streams):.0%} of the cycles of some run,"
            f" and starved in {min(stream.starved for stream in facts.streams):.0%}"
        )
    return lines


SIMULATE = Stage(
    kind="simulate",
    facts=SimulationResult,
    rooms=("simulation",),
    compares=("Dataflow", "RTL"),
    checks=_checks,
    section=_section,
    lines=_lines,
)
