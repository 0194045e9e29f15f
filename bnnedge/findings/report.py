"""Everything that a report can show."""

from dataclasses import dataclass

from bnnedge.findings.accuracy import Accuracy, Example
from bnnedge.findings.checks import Check, Verdict
from bnnedge.findings.hardware import Fifo, Pipeline, SimulationSpeed, StreamActivity
from bnnedge.findings.synthesis import Board, Synthesis


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """Wall time of one stage; `reused` where an earlier run's result was still current."""

    name: str
    wall_s: float
    reused: bool = False


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool or package that took part."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file of the build, with its hex sha256."""

    path: str
    sha256: str
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line that reproduces a step."""

    command: str
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """A step that could not run here, and why."""

    step: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class NodeFate:
    """A node of the graph that was lowered: name, type, and what became of it."""

    node: str
    op: str
    fate: str


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report can show; only `network` is needed.

    Attributes:
        network: its name, e.g. "TFC".
        topology: its widths, e.g. "784-64-64-64-10" or "28x28x1-20-50-500-10".
        dataset: what it was trained and tested on.
        version: of bnnedge.
        edited: files of the build that somebody changed by hand, and was told to go on with.
    """

    network: str
    topology: str | None = None
    dataset: str | None = None
    version: str | None = None
    board: Board | None = None
    nodes: tuple[NodeFate, ...] = ()
    pipeline: Pipeline | None = None
    accuracy: Accuracy | None = None
    checks: tuple[Check, ...] = ()
    synthesis: tuple[Synthesis, ...] = ()
    examples: tuple[Example, ...] = ()
    streams: tuple[StreamActivity, ...] = ()
    fifos: tuple[Fifo, ...] = ()
    simulation: SimulationSpeed | None = None
    stages: tuple[StageTime, ...] = ()
    tools: tuple[Tool, ...] = ()
    files: tuple[FileDigest, ...] = ()
    commands: tuple[Command, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if check.verdict is Verdict.FAILED)

    @property
    def passed(self) -> tuple[Check, ...]:
        """The checks that held."""
        return tuple(check for check in self.checks if check.verdict is Verdict.PASSED)

    @property
    def clock_mhz(self) -> float | None:
        """The clock that throughput is given for: the bitstream's, else Fmax."""
        if self.board is None:
            return None
        return self.board.fmax_mhz if self.board.clock_mhz is None else self.board.clock_mhz

    @property
    def images_per_second(self) -> float | None:
        """Of the accelerator: clock ÷ interval."""
        if self.pipeline is None or self.clock_mhz is None:
            return None
        return self.clock_mhz * 1e6 / self.pipeline.interval_cycles
