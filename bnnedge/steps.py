"""The stages in order, from a training to a simulated board. Only this module knows the order."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bnnedge import artifacts, verbs
from bnnedge.artifacts import Artifact
from bnnedge.deployment import package, prove
from bnnedge.deployment.facts import DEPLOY, PACKAGE
from bnnedge.errors import ArtifactError, ConfigError, ExportError, MismatchError, named
from bnnedge.exporter.facts import EXPORT
from bnnedge.extras import Extra, is_there, require
from bnnedge.files import is_file
from bnnedge.findings import Check
from bnnedge.hardware import emit, own_copy
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.facts import RTL
from bnnedge.hardware.fifos import FIFOS_FILE
from bnnedge.lowering import lower
from bnnedge.lowering.config import LoweringConfig
from bnnedge.lowering.facts import LOWER
from bnnedge.progress import Progress, silent
from bnnedge.simulation import simulate
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.facts import SIMULATE, SimulationResult
from bnnedge.sizing import has_joins
from bnnedge.sizing.facts import FIFOS
from bnnedge.stages import Stage
from bnnedge.summary import BuiltStage, failed_check, report_data
from bnnedge.synthesis import synthesise
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.facts import SYNTH
from bnnedge.training.facts import TRAIN

REPORT_FILE = "report.html"
_SIMULATED_IMAGES = 256
Run = Callable[["Steps", Path, Progress], Artifact[Any]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of the stages.

    Attributes:
        name: of the network.
        train: makes a checkpoint; None: the network comes from elsewhere.
        export: makes the export; None: `model` is there.
        model: an ONNX file.
        inputs: real ones of the file, (N, *input shape); None: not known.
        lower: choices of the lowering.
        rtl: how much hardware; None: what is there, or as by default.
        simulation: how much is simulated; None: what was, or as by default.
        synth: for what; None: what is there.
        trust: whether RTL that was edited is taken as it is.
        command: what makes it, on the command line.
    """

    name: str
    train: Run | None = None
    export: Run | None = None
    model: Path | None = None
    inputs: NDArray[Any] | None = None
    lower: LoweringConfig
    rtl: RtlConfig | None = None
    simulation: SimulationConfig | None = None
    synth: SynthesisConfig | None = None
    trust: bool = False
    command: str | None = None


class Steps:
    """Runs stages into a folder, notes which were up to date, and writes the report."""

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan, self.out = plan, out
        self.stages: dict[str, BuiltStage] = {}
        self._stack = contextlib.ExitStack()
        self._own: Path | None = None

    @property
    def ran(self) -> tuple[BuiltStage, ...]:
        """What ran or was up to date, in order."""
        return tuple(self.stages[step.folder] for step in STEPS if step.folder in self.stages)

    def folder(self, name: str) -> Path:
        """Of a step that ran."""
        return self.stages[name].artifact.folder

    @property
    def own(self) -> Path:
        """A verified copy of the RTL, once for all that compile it."""
        if self._own is None:
            copy = own_copy(self.folder(RTL.kind), trust=self.plan.trust)
            self._own = self._stack.enter_context(copy)
        return self._own

    @property
    def images(self) -> NDArray[Any] | None:
        """Real inputs; None where none are known."""
        if EXPORT.kind not in self.stages:
            return self.plan.inputs
        return verbs.test_images(self.folder(EXPORT.kind))

    @property
    def board(self) -> SynthesisConfig:
        """What to synthesise for.

        Raises:
            ConfigError: nobody has said it.
        """
        if self.plan.synth is None:
            raise ConfigError(
                "a bitstream wants a board",
                remedy='synthesise first, for example board="ulx3s-85f"',
            )
        return self.plan.synth

    def emit(self, out: Path, depths: Path | None = None) -> Artifact[Any]:
        """The RTL of the plan's folding."""
        config = self.plan.rtl or RtlConfig()
        config = dataclasses.replace(config, fifo_depths=depths or config.fifo_depths)
        return emit(self.folder(LOWER.kind), config, out)

    def there(self, stage: Stage[Any], made_of: str) -> Artifact[Any] | None:
        """What a stage left in its folder, if it was made here of what another step made."""
        with contextlib.suppress(ArtifactError):
            artifact = stage.load(self.out / stage.kind)
            if stage.made_here(artifact) and stage.made_of(artifact, self.folder(made_of)):
                return artifact
        return None

    def run(
        self,
        last: Stage[Any] | None = None,
        progress: Callable[[str], Progress] = lambda stage: silent,
    ) -> None:
        """Run a stage and what it needs, or all."""
        needed = {last.kind} if last else {step.folder for step in STEPS}
        for step in reversed(STEPS):
            if step.folder in needed:
                needed |= {*step.reads, *step.after}
        with self._stack:
            self._own = None
            for step in STEPS:
                if step.folder in needed and step.wanted(self):
                    self._step(step, progress(step.folder))

    def _step(self, step: "_Step", progress: Progress) -> None:
        """Run a step; a mismatch is reported before it is raised."""
        folder = self.out / step.folder
        progress("")
        before = None
        with contextlib.suppress(ArtifactError):
            before = step.stage.load(folder)
        try:
            after = step.run(self, folder, progress)
        except (MismatchError, ExportError) as error:
            if self.stages and is_there(Extra.REPORT):
                self.report(failed_check(step.stage, str(error)))
            raise
        if before is None or before.fingerprint != after.fingerprint:  # what was made of it is old
            names = [each.folder for each in STEPS]
            for later in names[names.index(step.folder) :]:
                self.stages.pop(later, None)
        self.stages[step.folder] = BuiltStage(
            name=step.folder,
            stage=step.stage,
            artifact=after,
            reused=before == after,
            read=tuple(self.folder(name) for name in step.reads if name in self.stages),
        )
        progress("up to date" if before == after else f"done in {after.wall_s:.1f} s", 1.0)

    def report(self, failure: Check | None = None) -> Path:
        """Write the report on what ran so far."""
        require("report", Extra.REPORT)
        from bnnedge.reports import write_report

        command = self.plan.command
        data = report_data(
            self.plan.name,
            self.ran,
            commands=((command, "everything on this page"),) if command else (),
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
        after: steps that come before it where they are wanted.
        wanted: whether a build needs it.
        of_first: it is made of the first folder that it reads, and of no other.
        name: of its folder, where that is not the stage's.
    """

    stage: Stage[Any]
    run: Run
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    wanted: Callable[[Steps], bool] = lambda steps: True
    of_first: bool = True
    name: str | None = None

    @property
    def folder(self) -> str:
        """Its name in the build's."""
        return self.name or self.stage.kind


def _train(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    assert steps.plan.train is not None  # it is wanted
    return steps.plan.train(steps, out, progress)


def _export(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    assert steps.plan.export is not None  # it is wanted
    return steps.plan.export(steps, out, progress)


def _lower(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    config = dataclasses.replace(steps.plan.lower, name=steps.plan.name)
    return lower(model_of(steps), config, out, progress=progress)


def model_of(steps: Steps) -> Path:
    """The ONNX file that is lowered."""
    return steps.plan.model or steps.folder(EXPORT.kind) / verbs.MODEL_FILE


def _rtl_there(steps: Steps) -> Artifact[Any] | None:
    return steps.there(RTL, LOWER.kind) if steps.plan.rtl is None else None


def _joins(steps: Steps) -> bool:
    if steps.plan.rtl is None:
        given = _rtl_there(steps) is not None
    else:
        given = steps.plan.rtl.fifo_depths is not None
    return not given and has_joins(steps.folder(LOWER.kind))


def _draft(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    return steps.emit(out)


def _fifos(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    return verbs.fifos(steps.folder(_DRAFT), out, progress=progress)


def _rtl(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    there = _rtl_there(steps)
    if there is not None:
        return there
    sized = FIFOS.kind in steps.stages and _joins(steps)
    return steps.emit(out, steps.folder(FIFOS.kind) / FIFOS_FILE if sized else None)


def _simulate(steps: Steps, out: Path, progress: Progress) -> Artifact[SimulationResult]:
    there = steps.there(SIMULATE, RTL.kind) if steps.plan.simulation is None else None
    if there is not None:
        return there
    config = steps.plan.simulation or SimulationConfig(images=_SIMULATED_IMAGES)
    artifact = simulate(steps.own, config, out, inputs=steps.images, progress=progress)
    artifact.facts.require_interval()
    return artifact


def _synth(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    there = steps.there(SYNTH, RTL.kind) if steps.plan.synth is None else None
    return there or synthesise(steps.own, steps.board, out, progress=progress)


def _package(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    return package(steps.own, steps.folder(SYNTH.kind), out, inputs=steps.images)


def _deploy(steps: Steps, out: Path, progress: Progress) -> Artifact[Any]:
    verified = functools.partial(verbs.deploy, trust=steps.plan.trust)
    return prove(steps.folder(PACKAGE.kind), out, run=verified)


_DRAFT = "draft"  # hardware with FIFOs as windows alone ask for
STEPS: Sequence[_Step] = (
    _Step(stage=TRAIN, run=_train, wanted=lambda steps: steps.plan.train is not None),
    _Step(
        stage=EXPORT,
        run=_export,
        reads=(TRAIN.kind,),
        wanted=lambda steps: steps.plan.export is not None,
    ),
    _Step(stage=LOWER, run=_lower, reads=(EXPORT.kind,), of_first=False),
    _Step(name=_DRAFT, stage=RTL, run=_draft, reads=(LOWER.kind,), wanted=_joins),
    _Step(stage=FIFOS, run=_fifos, reads=(_DRAFT,), wanted=_joins),
    _Step(stage=RTL, run=_rtl, reads=(LOWER.kind,), after=(FIFOS.kind,)),
    _Step(stage=SIMULATE, run=_simulate, reads=(RTL.kind, EXPORT.kind)),
    _Step(stage=SYNTH, run=_synth, reads=(RTL.kind,)),
    _Step(
        stage=PACKAGE,
        run=_package,
        reads=(RTL.kind, SYNTH.kind, EXPORT.kind),
        of_first=False,
    ),
    _Step(stage=DEPLOY, run=_deploy, reads=(PACKAGE.kind,)),
)


def require_own(out: Path) -> None:
    """Raise if `out` holds something, and nothing of a build, however far it came.

    Raises:
        ConfigError: names what is there.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(
            f"{out} is a file, wanted a folder", remedy=f"choose another {named('out')}"
        )
    found = sorted(path for path in out.glob("*") if not path.name.startswith("."))
    own = any(map(_of_a_build, found))
    if found and not own:
        raise ConfigError(
            f"{out} is not the folder of a build: it holds {found[0].name}",
            remedy=f"choose another {named('out')}, or remove what is in it",
        )


def _of_a_build(path: Path) -> bool:
    """Whether something in a folder is a stage, a training that is under way, or a report."""
    if path.name == REPORT_FILE and is_file(path):
        with path.open("rb") as page:
            return b"bnnedge report</title>" in page.read(4096)
    under_way = path.name.startswith(f"{TRAIN.kind}.") and path.is_dir()
    return (path / artifacts.RECORD).is_file() or under_way
