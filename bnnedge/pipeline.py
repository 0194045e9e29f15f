"""`build`: the stages in order, resumable, with a report. Only this module knows the order."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bnnedge import artifacts, tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.errors import ConfigError, ExportError, MismatchError, ToolMissingError
from bnnedge.files import is_file
from bnnedge.progress import Progress, silent
from bnnedge.verbs import (
    deploy,
    export,
    fifos,
    lower,
    rtl,
    synth,
    test_images,
    train,
)

if TYPE_CHECKING:
    from bnnedge.recipe import Recipe
    from bnnedge.reports.data import Check
    from bnnedge.summary import BuiltStage

REPORT_FILE = "report.html"
ESTIMATE_BOARD = "pynq-z1"
_INTERVAL_TOLERANCE = 0.01


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

    stages: "tuple[BuiltStage, ...]"
    checks: "tuple[Check, ...]"
    test_accuracy: float
    report: Path
    bitstream: Path | None


class _Builder:
    """Runs stages into a build folder, notes which were up to date, and writes the report."""

    def __init__(
        self, recipe: "Recipe", path: Path, out: Path, progress: Callable[[str], Progress]
    ) -> None:
        self.recipe, self.path, self.out, self.progress = recipe, path, out, progress
        self.stages: dict[str, BuiltStage] = {}

    def run(self, name: str, stage: Callable[[Path, Progress], Artifact]) -> Path:
        """Run `stage` into the folder called `name`; a mismatch is reported before it is raised."""
        from bnnedge.summary import BuiltStage, failed_check

        folder, progress = self.out / name, self.progress(name)
        progress("")
        before = None
        with contextlib.suppress(ConfigError):
            before = artifacts.load(folder)
        try:
            after = stage(folder, progress)
        except (MismatchError, ExportError) as error:
            if self.stages:
                self.report(failed_check(name, str(error)))
            raise
        self.stages[name] = BuiltStage(name=name, artifact=after, reused=before == after)
        progress("up to date" if before == after else f"done in {after.wall_s:.1f} s", 1.0)
        return folder

    def report(self, failure: "Check | None" = None) -> Path:
        """Write the report on what ran so far."""
        from bnnedge.reports import write_report
        from bnnedge.summary import report_data

        command = f"bnnedge build {self.path} -o {self.out}"
        data = report_data(
            self.recipe.name,
            self.stages,
            commands=((command, "everything on this page"),),
            failure=failure,
        )
        return write_report(data, self.out / REPORT_FILE)


@checked
def build(
    recipe: Path,
    out: Path,
    *,
    trust: bool = False,
    progress: Callable[[str], Progress] = lambda stage: silent,
) -> Build:
    """Do everything that a recipe says: data → checkpoint → … → bitstream → report.

    Every stage has its folder in `out`; what is up to date is not done again, and an interrupted
    build goes on with the stage that it was in.

    Args:
        recipe: TOML file.
        out: the build's folder.
        trust: see `bnnedge.hardware.own_copy`, for a build whose RTL was edited.
        progress: gives the progress of the stage that it is called with.

    Raises:
        ConfigError: the recipe has no `[hardware]`, or `out` is not a build's.
        BnnEdgeError: a stage failed. Where a comparison failed, the report says so too.
    """
    from bnnedge.boards import find_board
    from bnnedge.deployment import package, prove
    from bnnedge.hardware import own_copy
    from bnnedge.recipe import Recipe, Use
    from bnnedge.sizing import has_joins
    from bnnedge.summary import checks

    loaded = Recipe.load(recipe, Use.BUILD)
    hardware = loaded.hardware
    assert hardware is not None  # Use.BUILD
    board = find_board(hardware.board)
    _require_tools("g++", "verilator", *board.family.tools)
    _require_own(out)
    builder = _Builder(loaded, recipe, out, progress)
    trained = builder.run("train", lambda to, tell: train(loaded, to, progress=tell))
    exported = builder.run("export", lambda to, tell: export(trained, to, progress=tell))
    lowered = builder.run(
        "lower",
        lambda to, tell: lower(
            exported, to, name=loaded.name, classify=hardware.classify, progress=tell
        ),
    )
    emit = functools.partial(
        rtl,
        lowered,
        target_fps=hardware.target_fps,
        folding=hardware.folding,
        clock_mhz=hardware.clock_mhz,
    )
    depths = None
    if has_joins(lowered):
        from bnnedge.hardware.fifos import FIFOS_FILE

        draft = builder.run("draft", lambda to, _: emit(to))
        depths = builder.run("fifos", lambda to, tell: fifos(draft, to, progress=tell))
        depths = depths / FIFOS_FILE
    emitted = builder.run("rtl", lambda to, _: emit(to, fifo_depths=depths))
    images = test_images(exported)
    with own_copy(emitted, trust=trust) as own:  # once for all that compile it
        builder.run("simulate", lambda to, tell: _simulate_stage(own, loaded, images, to, tell))
        synthesise = functools.partial(synth, own, trust=True)
        synthesised = builder.run(
            "synth",
            lambda to, tell: synthesise(
                to, board=hardware.board, clock_mhz=hardware.clock_mhz, progress=tell
            ),
        )
        if board.family.estimate is None:  # others have their own
            builder.run(
                "estimate",
                lambda to, tell: synthesise(to, board=ESTIMATE_BOARD, vivado=False, progress=tell),
            )
        packed = builder.run("package", lambda to, _: package(own, synthesised, to, inputs=images))
    builder.run(
        "deploy", lambda to, _: prove(packed, to, run=functools.partial(deploy, trust=trust))
    )
    report = builder.report()
    facts = {name: stage.artifact.facts for name, stage in builder.stages.items()}
    bitstream = facts["synth"].get("bitstream")
    return Build(
        stages=tuple(builder.stages.values()),
        checks=checks(builder.stages),
        test_accuracy=facts["train"]["test_accuracy"],
        report=report,
        bitstream=None if bitstream is None else synthesised / bitstream,
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
    return (path / artifacts.RECORD).is_file() or (path.name.startswith("train.") and path.is_dir())


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


def _simulate_stage(
    rtl: Path, recipe: "Recipe", images: NDArray[np.float32], out: Path, progress: Progress
) -> Artifact:
    from bnnedge.simulation.check import simulate as run
    from bnnedge.summary import interval_error

    artifact = run(rtl, recipe.simulation, out, inputs=images, progress=progress)
    facts = artifact.facts
    if facts["interval_cycles"] is not None and interval_error(facts) > _INTERVAL_TOLERANCE:
        raise MismatchError(
            f"{recipe.name}: predicted {facts['predicted_interval_cycles']} cycles/image,"
            f" measured {facts['interval_cycles']:.2f}"
        )
    return artifact
