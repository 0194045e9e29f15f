"""What a build found, gathered from its stages for the report and the command line."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bnnedge
from bnnedge.artifacts import Artifact
from bnnedge.deployment.facts import BOARD_CHECK, NO_BOARD
from bnnedge.findings import Check, Command, FileDigest, ReportData, StageTime, Tool, Verdict
from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class BuiltStage:
    """A stage of a build.

    Attributes:
        name: its folder in the build's.
        stage: what it is.
        artifact: what it published.
        reused: it was up to date.
        read: folders of the stages before that it was made of.
    """

    name: str
    stage: Stage[Any]
    artifact: Artifact[Any]
    reused: bool
    read: tuple[Path, ...] = ()

    @property
    def wall_s(self) -> float:
        """Seconds that the stage took when it ran."""
        return self.artifact.wall_s


def checks(stages: Iterable[BuiltStage]) -> tuple[Check, ...]:
    """Every equality that the stages so far have established."""
    return tuple(
        check
        for built in stages
        if built.name == built.stage.kind
        for check in built.stage.checks(built.artifact.facts)
    )


def failed_check(stage: Stage[Any], reason: str) -> Check:
    """The check on which a stage stopped."""
    left, right = stage.compares or ("the stage before", stage.kind)
    return Check(left=left, right=right, compared="integers", verdict=Verdict.FAILED, reason=reason)


def report_data(
    name: str,
    stages: Sequence[BuiltStage],
    *,
    commands: Sequence[tuple[str, str]],
    failure: Check | None = None,
) -> ReportData:
    """The report on the stages that ran.

    Args:
        name: of the network.
        stages: in the order in which they ran.
        commands: (command line, comment) pairs that reproduce the build.
        failure: the check on which the build stopped.
    """
    report = ReportData(network=name, version=bnnedge.__version__, not_run=(NO_BOARD,))
    for built in stages:
        report = built.stage.section(report, built.artifact, built.read)
    failed = () if failure is None else (failure,)
    return dataclasses.replace(
        report,
        checks=(*checks(stages), *failed, BOARD_CHECK),
        stages=tuple(
            StageTime(name=built.name, wall_s=built.wall_s, reused=built.reused) for built in stages
        ),
        tools=tuple(_tools(stages)),
        files=tuple(_files(stages)),
        commands=tuple(Command(command=line, comment=why) for line, why in commands),
        edited=tuple(sorted({name for built in stages for name in built.artifact.edited})),
    )


def _tools(stages: Sequence[BuiltStage]) -> Iterator[Tool]:
    versions: dict[str, str] = {}
    for built in stages:
        versions |= built.artifact.tools
    return (Tool(name=name, version=version) for name, version in versions.items())


def _files(stages: Sequence[BuiltStage]) -> Iterator[FileDigest]:
    """The files that a person looks for."""
    for built in stages:
        for path, digest in built.artifact.files.items():
            wanted = any(fnmatch.fnmatch(path, pattern) for pattern in built.stage.shown)
            if wanted and built.name == built.stage.kind:
                size = (built.artifact.folder / path).stat().st_size
                yield FileDigest(path=f"{built.name}/{path}", sha256=digest, size_bytes=size)
