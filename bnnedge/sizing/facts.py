"""What the sizing of FIFOs found."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bnnedge.artifacts import Artifact
from bnnedge.findings import ReportData
from bnnedge.sizing.depths import SizedFifo
from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class SizingFacts:
    """FIFOs as they were sized.

    Attributes:
        interval_cycles: measured between images with the depths that were chosen.
        predicted_interval_cycles: of the design.
        fifos: each.
    """

    interval_cycles: float
    predicted_interval_cycles: int
    fifos: tuple[SizedFifo, ...]


def _section(
    report: ReportData, artifact: Artifact[SizingFacts], read: tuple[Path, ...]
) -> ReportData:
    guesses = {fifo.name: fifo.first_guess_words for fifo in artifact.facts.fifos}
    fifos = tuple(
        dataclasses.replace(fifo, first_guess_words=guesses.get(fifo.name)) for fifo in report.fifos
    )
    return dataclasses.replace(report, fifos=fifos)


def _lines(facts: SizingFacts) -> list[str]:
    return [
        *(
            f"{fifo.name}: {fifo.depth_words} words of {fifo.width_bits} bits,"
            f" at most {fifo.high_water_words} in it; first guess {fifo.first_guess_words}"
            for fifo in facts.fifos
        ),
        f"with these depths {facts.interval_cycles:.2f} cycles/image,"
        f" predicted {facts.predicted_interval_cycles}",
    ]


FIFOS = Stage(
    kind="fifos",
    facts=SizingFacts,
    rooms=("sizing",),
    compares=("Dataflow", "RTL"),
    section=_section,
    lines=_lines,
)
