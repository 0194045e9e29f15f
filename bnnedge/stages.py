"""A stage: what one room makes of what others left, published whole or not at all.

It is skipped where the same stage has made the same of the same. `bnnedge.publishing` says how one
artifact takes the place of another.

Nothing is lost: a stage replaces what the same stage wrote, but not what others added or changed
there, another stage's result, or a training. `bnnedge.artifacts.permitting` allows it.
"""

import dataclasses
import hashlib
import json
import time
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import bnnedge
from bnnedge.artifacts import (
    RECORD,
    Artifact,
    Facts,
    check_input,
    folder_hashes,
    load,
    permission,
    permitted,
)
from bnnedge.config import structure
from bnnedge.errors import ArtifactError, BnnEdgeWarning, ConfigError, named
from bnnedge.findings import Check, ReportData
from bnnedge.publishing import check_room, free_name, publish, sweep, writing
from bnnedge.records import to_json
from bnnedge.rooms import source_digest

_MOST_SHOWN = 80
Section = Callable[[ReportData, Artifact[Facts], tuple[Path, ...]], ReportData]


def no_checks(facts: Any) -> tuple[Check, ...]:
    """Of a stage that compares nothing."""
    return ()


def no_section(report: ReportData, artifact: Artifact[Any], read: tuple[Path, ...]) -> ReportData:
    """Of a stage that adds nothing to the report."""
    return report


def figures(facts: Any) -> list[str]:
    """Facts as aligned lines; nested values are left to `--json` and the report."""
    record: Mapping[str, Any] = to_json(facts)
    flat = {
        key: value
        for key, value in record.items()
        if value is not None and not isinstance(value, dict | list)
    }
    width = max((len(key) for key in flat), default=0)
    return [f"{key:{width}}  {value}" for key, value in flat.items()]


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[Facts]):
    """What is known of a stage, whoever runs it.

    Attributes:
        kind: its verb, and what its artifacts are called.
        facts: what it finds: a frozen dataclass, which `artifact.json` holds as JSON.
        rooms: whose sources its output depends on, with all that they import; see `bnnedge.rooms`.
        precious: its results are too dear to be replaced by others without being asked, or to be
            made anew because sources or tools changed.
        compares: the two sides of what a comparison in it finds to differ.
        checks: the equalities that facts say were established.
        section: a report with what an artifact adds to it, made of the folders that it read.
        lines: what people are told of facts.
        shown: patterns of the files that people look for.
    """

    kind: str
    facts: type[Facts]
    rooms: tuple[str, ...]
    precious: bool = False
    compares: tuple[str, str] | None = None
    checks: Callable[[Facts], tuple[Check, ...]] = no_checks
    section: Section[Facts] = no_section
    lines: Callable[[Facts], list[str]] = figures
    shown: tuple[str, ...] = ()

    def publish(
        self,
        out: Path,
        write: Callable[[Path], Facts | Mapping[str, Any]],
        *,
        config: Any,
        inputs: tuple[Path, ...] = (),
        tools: Callable[[], Mapping[str, str]] = dict,
        room_mib: int = 0,
    ) -> Artifact[Facts]:
        """Run into `out`, or return what is there when nothing it depends on has changed.

        Args:
            out: the folder to publish.
            write: writes the stage's files into the folder it is given and returns its facts, or
                the JSON values that they are made of.
            config: whatever else the output depends on; compared as JSON.
            inputs: files and folders that the output depends on.
            tools: gives the versions of all that takes part beside bnnedge.
            room_mib: free disk space that long work is not begun without.

        Raises:
            ArtifactError: an input is not as it was written, `out` holds something that would be
                lost, or another process writes it.
            BnnEdgeError: the disk is full or not writable.
        """
        read = [check_input(path) for path in inputs]
        versions = dict(tools())
        request = _Request(
            stage=self,
            config=to_json(config),
            inputs=[item.hashes for item in read],
            maker=_maker(self.rooms, versions),
        )
        with writing(out):
            sweep(out)
            found = _Found.in_folder(out, request)
            reused = None if found is None else found.reusable()
            if reused is not None:
                return self.typed(reused)
            loss = None if found is None else found.loss()
            if found is not None and loss is not None and not permission().replace:
                raise ArtifactError(loss, remedy=found.ways_out())
            check_room(out, room_mib)
        start = time.perf_counter()

        def keep() -> bool:
            return loss is not None or _written_to(out, request)

        with publish(out, keep=keep) as folder:
            facts = self._facts_of(to_json(write(folder)), folder)
            record = request.record | {
                "edited": sorted({name for item in read for name in item.edited}),
                "files": folder_hashes(folder),
                "tools": versions,
                "wall_s": round(time.perf_counter() - start, 3),
                "facts": to_json(facts),
            }
            (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return self.load(out)

    def load(self, folder: Path) -> Artifact[Facts]:
        """Read what this stage published.

        Raises:
            ArtifactError: there is nothing, it is another stage's, or its record is damaged.
        """
        artifact = load(folder)
        if artifact.kind != self.kind:
            raise ArtifactError(
                f"{folder} holds what bnnedge {artifact.kind} wrote, wanted {self.kind}"
            )
        return self.typed(artifact)

    def typed(self, artifact: Artifact[Mapping[str, Any]]) -> Artifact[Facts]:
        """The same artifact with the stage's own facts.

        Raises:
            ArtifactError: they are damaged, or of a bnnedge that wrote others.
        """
        untyped: Any = artifact
        facts = self._facts_of(artifact.facts, artifact.folder)
        return typing.cast(Artifact[Facts], dataclasses.replace(untyped, facts=facts))

    def made_of(self, artifact: Artifact[Any], *inputs: Path) -> bool:
        """Whether an artifact was made of these inputs as they are now.

        Raises:
            ArtifactError: an input is not as it was written.
        """
        read = [check_input(path).hashes for path in inputs]
        request = _Request(stage=self, config=artifact.config, inputs=read, maker=artifact.sources)
        return artifact.fingerprint == request.fingerprint(request.maker)

    def made_here(self, artifact: Artifact[Any]) -> bool:
        """Whether an artifact is what these sources of bnnedge make, and nobody changed it."""
        return not artifact.changed() and artifact.sources == _maker(self.rooms, artifact.tools)

    def _facts_of(self, record: Any, folder: Path) -> Facts:
        try:
            return structure(record, self.facts, source=f"{RECORD}: facts")
        except ConfigError as error:
            raise ArtifactError(
                f"{folder} is damaged, or was written by another bnnedge ({error})",
                remedy="delete it, or run the step that makes it into another folder",
            ) from error

    def present(self, out: Path) -> Artifact[Mapping[str, Any]] | None:
        """What this stage wrote into `out` before, or None where there is nothing.

        Raises:
            ArtifactError: something else is there.
        """
        if not out.exists() or (out.is_dir() and not any(out.iterdir())):
            return None
        if not out.is_dir():
            raise ArtifactError(
                f"{out} is a file, wanted a folder", remedy=f"choose another {named('out')}"
            )
        if not (out / RECORD).is_file():
            raise ArtifactError(
                f"{out} exists and was not written by bnnedge",
                remedy=f"choose another {named('out')}",
            )
        present = load(out)
        if present.kind != self.kind:
            raise ArtifactError(
                f"{out} holds what bnnedge {present.kind} wrote, which bnnedge {self.kind} does not"
                " replace",
                remedy=f"choose another {named('out')}",
            )
        return present


def _maker(rooms: tuple[str, ...], tools: Mapping[str, str]) -> str:
    """sha256 over what makes an artifact: sources, and the versions of tools."""
    made_by = f"{source_digest(rooms)} {json.dumps(tools, sort_keys=True)}"
    return hashlib.sha256(made_by.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What a stage is asked for; config and inputs as JSON values."""

    stage: Stage[Any]
    config: Any
    inputs: Any
    maker: str

    @property
    def record(self) -> dict[str, Any]:
        """What `artifact.json` says of it."""
        return {
            "kind": self.stage.kind,
            "bnnedge": bnnedge.__version__,
            "sources": self.maker,
            "fingerprint": self.fingerprint(self.maker),
            "config": self.config,
        }

    def fingerprint(self, maker: str) -> str:
        """sha256 over everything that the output depends on, made by such sources and tools."""
        content = {
            "kind": self.stage.kind,
            "config": self.config,
            "inputs": self.inputs,
            "source": maker,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the same stage wrote before, with what was changed since, beside what is asked for."""

    present: Artifact[Mapping[str, Any]]
    changed: Sequence[str]
    request: _Request

    @classmethod
    def in_folder(cls, out: Path, request: _Request) -> "_Found | None":
        present = request.stage.present(out)
        if present is None:
            return None
        return cls(present=present, changed=present.changed(), request=request)

    def reusable(self) -> Artifact[Mapping[str, Any]] | None:
        """The present artifact, where it is what is asked for."""
        present, request = self.present, self.request
        if any(not (present.folder / name).exists() for name in self.changed):
            return None
        if self.changed and not permission().accept_edited:
            return None
        if present.fingerprint != request.fingerprint(request.maker):
            same = present.fingerprint == request.fingerprint(present.sources)
            if not request.stage.precious or not same or permission().replace:
                return None
            warnings.warn(
                f"{present.folder} was trained by other sources of bnnedge, or other versions of"
                f" its tools, and is used as it is; {permitted('replace')} trains it anew",
                BnnEdgeWarning,
                stacklevel=3,
            )
        return dataclasses.replace(present, edited=present.edited_with(self.changed))

    def loss(self) -> str | None:
        """What would be lost if it were replaced, beyond what its step makes again."""
        present = self.present
        for name in self.changed:
            if (present.folder / name).exists():
                return f"{present.folder / name} was changed since bnnedge {present.kind} wrote it"
        for name in present.added():
            return f"{present.folder / name} was not written by bnnedge"
        if self.request.stage.precious:
            differs: str | None = "it does not say of what"  # one of an old bnnedge
            if self.changed:
                differs = f"{self.changed[0]} is missing"
            elif present.config is not None:
                differs = _first_difference(present.config, self.request.config, ())
            why = f" ({differs})" if differs else ""
            return f"{present.folder} holds another training{why}"
        return None

    def ways_out(self) -> str:
        """What can be done where something would be lost."""
        present, request = self.present, self.request
        kept = free_name(present.folder).name
        ways = (
            f"choose another {named('out')}, or give {permitted('replace')}: the old folder is then"
            f" kept as {kept}"
        )
        usable = present.fingerprint == request.fingerprint(request.maker) and all(
            (present.folder / name).exists() for name in self.changed
        )
        accepting = f"; {permitted('accept_edited')} uses it as it is"
        return f"{ways}{accepting}" if self.changed and usable else ways


def _written_to(out: Path, request: _Request) -> bool:
    """Whether somebody has put into `out`, while we worked, what would be lost; says so."""
    try:
        now = _Found.in_folder(out, request)
        lost = now is not None and now.loss() is not None
    except ArtifactError:
        lost = True
    if lost:
        warnings.warn(
            f"{out} was written to meanwhile: what was there is kept as {out.name}.replaced-…",
            BnnEdgeWarning,
            stacklevel=2,
        )
    return lost


def _first_difference(old: Any, new: Any, where: tuple[str, ...]) -> str | None:
    """Where two JSON values differ first, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            found = _first_difference(old.get(key), new.get(key), (*where, key))
            if found:
                return found
        return None
    if old == new:
        return None
    return f"{'.'.join(where)} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
