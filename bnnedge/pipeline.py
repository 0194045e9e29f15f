"""`build`: the stages in order, resumable, with a report. Only this module knows the order."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import artifacts, tools, verbs
from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.deployment import package, prove
from bnnedge.deployment.facts import DEPLOY, PACKAGE
from bnnedge.errors import ArtifactError, ConfigError, ExportError, MismatchError, ToolMissingError
from bnnedge.exporter.facts import EXPORT
from bnnedge.files import is_file
from bnnedge.findings import Check
from bnnedge.hardware import emit, own_copy
from bnnedge.hardware.authentic import Trust
from bnnedge.hardware.facts import RTL
from bnnedge.hardware.fifos import FIFOS_FILE
from bnnedge.lowering import lower
from bnnedge.lowering.facts import LOWER
from bnnedge.options import keywords
from bnnedge.progress import Progress, silent
from bnnedge.simulation import simulate
from bnnedge.simulation.facts import SIMULATE, SimulationResult
from bnnedge.sizing import has_joins
from bnnedge.sizing.facts import FIFOS
from bnnedge.stages import Stage
from bnnedge.summary import BuiltStage, checks, failed_check, report_data
from bnnedge.synthesis import synthesise
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.facts import SYNTH, left_to_do
from bnnedge.training.facts import TRAIN

if TYPE_CHECKING:
    from bnnedge.recipe import HardwareConfig, Recipe

REPORT_FILE = "report.html"
ESTIMATE_BOARD = "pynq-z1"


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


class _Builder:
    """Runs stages into a build folder, notes which were up to date, and writes the report."""

    def __init__(self, recipe: "Recipe", path: Path, out: Path, *, trust: bool) -> None:
        assert recipe.hardware is not None  # Use.BUILD
        self.recipe, self.path, self.out, self.trust = recipe, path, out, trust
        self.hardware: HardwareConfig = recipe.hardware
        self.stages: dict[str, BuiltStage] = {}
        self.stack = contextlib.ExitStack()

    def folder(self, name: str) -> Path:
        """Of a step that ran."""
        return self.stages[name].artifact.folder

    @functools.cached_property
    def own(self) -> Path:
        """A verified copy of the RTL, once for all that compile it."""
        return self.stack.enter_context(own_copy(self.folder(RTL.kind), trust=self.trust))

    @functools.cached_property
    def images(self) -> NDArray[np.float32]:
        """The test set."""
        return verbs.test_images(self.folder(EXPORT.kind))

    def emit(self, out: Path, depths: Path | None = None) -> Artifact[Any]:
        """The RTL of the recipe's folding."""
        config = dataclasses.replace(self.hardware.rtl, fifo_depths=depths)
        return emit(self.folder(LOWER.kind), config, out)

    def run(self, step: "_Step", progress: Progress) -> None:
        """Run a step; a mismatch is reported before it is raised."""
        folder = self.out / step.folder
        progress("")
        before = None
        with contextlib.suppress(ArtifactError):
            before = step.stage.load(folder)
        try:
            after = step.run(self, folder, progress)
        except (MismatchError, ExportError) as error:
            if self.stages:
                self.report(failed_check(step.stage, str(error)))
            raise
        self.stages[step.folder] = BuiltStage(
            name=step.folder,
            stage=step.stage,
            artifact=after,
            reused=before == after,
            read=tuple(self.folder(name) for name in step.reads),
        )
        progress("up to date" if before == after else f"done in {after.wall_s:.1f} s", 1.0)

    def report(self, failure: Check | None = None) -> Path:
        """Write the report on what ran so far."""
        from bnnedge.reports import write_report

        command = f"bnnedge build {self.path} -o {self.out}"
        data = report_data(
            self.recipe.name,
            tuple(self.stages.values()),
            commands=((command, "everything on this page"),),
            failure=failure,
        )
        return write_report(data, self.out / REPORT_FILE)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A stage in a build.

    Attributes:
        stage: what it is.
        run: does it into a folder.
        reads: steps whose folders it is made of.
        wanted: whether a build needs it.
        name: of its folder, where that is not the stage's.
    """

    stage: Stage[Any]
    run: Callable[[_Builder, Path, Progress], Artifact[Any]]
    reads: tuple[str, ...] = ()
    wanted: Callable[[_Builder], bool] = lambda build: True
    name: str | None = None

    @property
    def folder(self) -> str:
        """Its name in the build's."""
        return self.name or self.stage.kind


def _train(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return verbs.train(build.recipe, out, progress=progress)


def _export(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return verbs.export(build.folder(TRAIN.kind), out, progress=progress)


def _lower(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    config = dataclasses.replace(build.hardware.lower, name=build.recipe.name)
    model = build.folder(EXPORT.kind) / verbs.MODEL_FILE
    return lower(model, config, out, progress=progress)


def _joins(build: _Builder) -> bool:
    return has_joins(build.folder(LOWER.kind))


def _draft(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return build.emit(out)


def _fifos(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return verbs.fifos(build.folder(_DRAFT), out, progress=progress)


def _rtl(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    sized = FIFOS.kind in build.stages
    return build.emit(out, build.folder(FIFOS.kind) / FIFOS_FILE if sized else None)


def _simulate(build: _Builder, out: Path, progress: Progress) -> Artifact[SimulationResult]:
    artifact = simulate(
        build.own, build.recipe.simulation, out, inputs=build.images, progress=progress
    )
    artifact.facts.require_interval()
    return artifact


def _synth(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return synthesise(build.own, build.hardware.synth, out, progress=progress)


def _has_no_estimate(build: _Builder) -> bool:
    return find_board(build.hardware.synth.board).family.estimate is None


def _estimate(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    config = SynthesisConfig(board=ESTIMATE_BOARD, vivado=False)
    return synthesise(build.own, config, out, progress=progress)


def _package(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    return package(build.own, build.folder(SYNTH.kind), out, inputs=build.images)


def _deploy(build: _Builder, out: Path, progress: Progress) -> Artifact[Any]:
    verified = functools.partial(verbs.deploy, trust=build.trust)
    return prove(build.folder(PACKAGE.kind), out, run=verified)


_DRAFT = "draft"  # hardware with FIFOs as windows alone ask for
_STEPS = (
    _Step(stage=TRAIN, run=_train),
    _Step(stage=EXPORT, run=_export, reads=(TRAIN.kind,)),
    _Step(stage=LOWER, run=_lower, reads=(EXPORT.kind,)),
    _Step(name=_DRAFT, stage=RTL, run=_draft, reads=(LOWER.kind,), wanted=_joins),
    _Step(stage=FIFOS, run=_fifos, reads=(_DRAFT,), wanted=_joins),
    _Step(stage=RTL, run=_rtl, reads=(LOWER.kind,)),
    _Step(stage=SIMULATE, run=_simulate, reads=(RTL.kind, EXPORT.kind)),
    _Step(stage=SYNTH, run=_synth, reads=(RTL.kind,)),
    _Step(name="estimate", stage=SYNTH, run=_estimate, reads=(RTL.kind,), wanted=_has_no_estimate),
    _Step(stage=PACKAGE, run=_package, reads=(RTL.kind, SYNTH.kind, EXPORT.kind)),
    _Step(stage=DEPLOY, run=_deploy, reads=(PACKAGE.kind,)),
)


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

    builder = _Builder(Recipe.load(recipe, Use.BUILD), recipe, out, trust=trust.trust)
    _require_tools("g++", "verilator", *find_board(builder.hardware.synth.board).family.tools)
    _require_own(out)
    with builder.stack:
        for step in _STEPS:
            if step.wanted(builder):
                builder.run(step, progress(step.folder))
    report = builder.report()
    stages: Mapping[str, BuiltStage] = builder.stages
    made = stages[SYNTH.kind].artifact
    return Build(
        stages=tuple(stages.values()),
        checks=checks(stages.values()),
        test_accuracy=stages[TRAIN.kind].artifact.facts.test_accuracy,
        report=report,
        bitstream=made.facts.bitstream and made.folder / made.facts.bitstream,
    )


def _require_own(out: Path) -> None:
    """Raise if `out` holds something, and nothing of a build, however far it came.

    Raises:
        ConfigError: names what is there.
    """
    found = sorted(path for path in out.glob("*") if not path.name.startswith("."))
    own = any(map(_of_a_build, found))
    if found and not own:
        raise ConfigError(
            f"{out} is not the folder of a build: it holds {found[0].name}",
            remedy="choose another -o, or remove what is in it",
        )


def _of_a_build(path: Path) -> bool:
    """Whether something in a folder is a stage, a training that is under way, or a report."""
    if path.name == REPORT_FILE and is_file(path):
        with path.open("rb") as page:
            return b"bnnedge report</title>" in page.read(4096)
    under_way = path.name.startswith(f"{TRAIN.kind}.") and path.is_dir()
    return (path / artifacts.RECORD).is_file() or under_way


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
