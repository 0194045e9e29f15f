"""`build`: everything that a recipe says, resumable, with a report; and `report` alone."""

import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge import artifacts, tools, verbs
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.changes import words
from bnnedge.dataflow import Dataflow
from bnnedge.errors import BnnEdgeWarning, ConfigError, ToolMissingError
from bnnedge.extras import Extra, require
from bnnedge.findings import Check
from bnnedge.hardware.authentic import Trust
from bnnedge.lowering.facts import LOWER
from bnnedge.options import keywords
from bnnedge.progress import Progress, silent
from bnnedge.simulation.facts import SIMULATE
from bnnedge.steps import REPORT_FILE, STEPS, Plan, Steps, require_own
from bnnedge.summary import BuiltStage, checks, report_data
from bnnedge.synthesis.facts import SYNTH, left_to_do
from bnnedge.training.facts import TRAIN


@dataclass(frozen=True, kw_only=True)
class Build:
    """A finished build.

    Attributes:
        stages: what ran or was up to date, in order.
        checks: every equality that was established.
        test_accuracy: of the network, on the whole test set.
        report: the HTML file.
        bitstream: the file for the board; None where Vivado has yet to make it.
    """

    stages: tuple[BuiltStage, ...]
    checks: tuple[Check, ...]
    test_accuracy: float
    report: Path
    bitstream: Path | None

    @property
    def lines(self) -> list[str]:
        """What people are told."""
        made, simulated = (
            next(built for built in self.stages if built.name == stage.kind).artifact
            for stage in (SYNTH, SIMULATE)
        )
        cycles = simulated.facts.runs[0].latency_cycles
        return [
            *map(_stage_line, self.stages),
            *(check.line for check in self.checks),
            *made.facts.remarks,
            *made.facts.size_and_speed,
            f"latency {cycles:,} cycles, {cycles * 1e6 / made.facts.device['clock_hz']:,.1f} µs",
            f"test accuracy {self.test_accuracy:.2%}",
            left_to_do(made.folder) if self.bitstream is None else f"bitstream {self.bitstream}",
            f"report    {self.report}",
        ]


def _stage_line(built: BuiltStage) -> str:
    return f"{built.name:9} {'up to date' if built.reused else f'{built.wall_s:.1f} s'}"


@keywords
def build(
    recipe: Path,
    out: Path,
    trust: Trust,
    *,
    changes: Mapping[str, Any] | None = None,
    progress: Callable[[str], Progress] = lambda stage: silent,
) -> Build:
    """Do everything that a recipe says: data → checkpoint → … → bitstream → report.

    Every stage has its folder in `out`; what is up to date is not done again, and an interrupted
    build goes on with the stage that it was in.

    Args:
        recipe: TOML file, or the name of a recipe that comes with bnnedge.
        out: the build's folder.
        changes: values in place of the file's, e.g. {"training.epochs": 5}.
        progress: gives the progress of the stage that it is called with.

    Raises:
        ConfigError: the recipe has no `[hardware]`, or `out` is not a build's.
        BnnEdgeError: a stage failed. Where a comparison failed, the report says so too.
    """
    require("build", Extra.TRAIN, Extra.REPORT)
    from bnnedge.recipe import Recipe, Use

    chosen = Recipe.load(recipe, Use.BUILD, changes)
    hardware = chosen.hardware
    assert hardware is not None  # Use.BUILD

    def train(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
        return verbs.train(chosen, out, progress=progress)

    def export(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
        return verbs.export(steps.folder(TRAIN.kind), out, progress=progress)

    plan = Plan(
        name=chosen.name,
        train=train,
        export=export,
        lower=hardware.lower,
        rtl=hardware.rtl,
        simulation=chosen.simulation,
        synth=hardware.synth,
        trust=trust.trust,
        command=shlex.join([*map(str, ("bnnedge", "build", recipe, "-o", out)), *words(changes)]),
    )
    _require_tools("g++", "verilator", *find_board(hardware.synth.board).family.tools)
    require_own(out)
    steps = Steps(plan, out)
    steps.run(progress=progress)
    report = steps.report()
    made = steps.stages[SYNTH.kind].artifact
    return Build(
        stages=steps.ran,
        checks=checks(steps.ran),
        test_accuracy=steps.stages[TRAIN.kind].artifact.facts.test_accuracy,
        report=report,
        bitstream=made.facts.bitstream and made.folder / made.facts.bitstream,
    )


@checked
def report(folder: Path) -> Path:
    """Write a page on what stages left in a folder, whoever ran them, and return where it is.

    Where one was made of something else than what is there now, it is left out, and so is what was
    made of it.

    Args:
        folder: of a build, of a `Model`, or one that has a folder for each stage.

    Raises:
        ConfigError: no stage has left anything there.
        ArtifactError: what it left is damaged.
    """
    from bnnedge.reports import write_report

    require("report", Extra.REPORT)
    found: dict[str, Artifact[Any]] = {}
    for path in sorted(folder.glob(f"*/{artifacts.RECORD}")):
        artifact = artifacts.load(path.parent)
        names = {step.folder: step for step in STEPS}
        name = path.parent.name if path.parent.name in names else artifact.kind
        if name in names and names[name].stage.kind == artifact.kind:
            found.setdefault(name, names[name].stage.typed(artifact))
    if not found:
        raise ConfigError(
            f"{folder}: no stage has left anything there",
            remedy="give the folder of a build, which has one for each stage",
        )
    built: dict[str, BuiltStage] = {}
    for step in (step for step in STEPS if step.folder in found):
        artifact = found[step.folder]
        read = [name for name in step.reads if name in found]
        if any(name not in built for name in read):
            continue
        first = read[0] if read and read[0] == step.reads[0] else None
        if step.of_first and first and not step.stage.made_of(artifact, found[first].folder):
            said = f"{artifact.folder} was not made of {found[first].folder}, and is left out"
            warnings.warn(said, BnnEdgeWarning, stacklevel=3)
            continue
        built[step.folder] = BuiltStage(
            name=step.folder,
            stage=step.stage,
            artifact=artifact,
            reused=True,
            read=tuple(found[name].folder for name in read),
        )
    data = report_data(_name(built.values(), folder), tuple(built.values()), commands=())
    return write_report(data, folder / REPORT_FILE)


def _name(stages: Iterable[BuiltStage], folder: Path) -> str:
    """Of the network, as its Dataflow says."""
    lowered = [built.artifact.folder for built in stages if built.stage is LOWER]
    return Dataflow.load(lowered[0]).name if lowered else folder.resolve().name


def _require_tools(*names: str) -> None:
    """Raise unless all of these tools are here: they are needed hours later.

    Raises:
        ToolMissingError: one or more are not installed; names all of them.
    """
    missing = []
    for name in names:
        try:
            tools.find(name)
        except ToolMissingError as error:
            missing.append(error)
    if len(missing) > 1:
        raise ToolMissingError("; ".join(str(error) for error in missing))
    if missing:
        raise missing[0]
