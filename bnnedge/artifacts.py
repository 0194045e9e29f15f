"""Artifacts: what a stage leaves behind, published whole or not at all, and skipped when current.

An artifact is a folder with an `artifact.json` beside the stage's own files, which has the sha256
of each. `bnnedge.publishing` says how one takes the place of another.

Nothing is lost: a stage replaces what the same stage wrote, but not what others added or changed
there, another stage's result, or a training. Nothing that was changed goes unnoticed: an input
folder is what its `artifact.json` says. `permitting` allows either.
"""

import contextlib
import contextvars
import dataclasses
import functools
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bnnedge
from bnnedge.errors import ArtifactError, BnnEdgeWarning
from bnnedge.files import load_json
from bnnedge.publishing import check_room, free_name, publish, sweep, writing

RECORD = "artifact.json"
TRAINING = "train"
_LEFT_BY_PYTHON = "__pycache__"  # where a package's driver was run
_MOST_SHOWN = 80
_MOST_FILES = 10_000  # of an input
_MOST_BYTES = 2**33  # of one
_DEEPEST = 4  # folders between an artifact's own and a file in it


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A published stage output.

    Attributes:
        folder: where it is.
        kind: the stage's verb, e.g. "lower".
        fingerprint: sha256 over everything that the output depends on.
        files: sha256 of every file in the folder, by relative path.
        tools: versions of the tools and packages that took part.
        wall_s: seconds that the stage took.
        facts: the stage's own figures and checks (JSON values only).
        config: what was asked of the stage; None: written before this was recorded.
        sources: sha256 over the sources of the bnnedge that wrote it.
        edited: files of its inputs, and of theirs, that somebody had changed.
    """

    folder: Path
    kind: str
    fingerprint: str
    files: Mapping[str, str]
    tools: Mapping[str, str]
    wall_s: float
    facts: Mapping[str, Any]
    config: Any = None
    sources: str = ""
    edited: tuple[str, ...] = ()

    def name_of(self, path: Path) -> str:
        """What `files` calls a path in the folder."""
        return path.relative_to(self.folder).as_posix()

    def changed(self) -> tuple[str, ...]:
        """Files that are not as they were written, or are missing."""
        return tuple(
            name for name, sha in self.files.items() if _sha256_or_none(self.folder / name) != sha
        )

    def edited_with(self, names: Iterable[str]) -> tuple[str, ...]:
        """`edited`, and files of this folder."""
        return tuple(sorted({*self.edited, *(f"{self.folder.name}/{name}" for name in names)}))

    def added(self) -> tuple[str, ...]:
        """What others put beside the files."""
        return tuple(
            self.name_of(path)
            for path in sorted(self.folder.rglob("*"))
            if (path.is_symlink() or not path.is_dir())
            and self.name_of(path) not in (*self.files, RECORD)
            and not (path.parent.name == _LEFT_BY_PYTHON and path.suffix == ".pyc")
        )


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What a user allows beyond what loses nothing and trusts nothing; see `permitting`."""

    replace: bool = False
    accept_edited: bool = False


_PERMISSION = contextvars.ContextVar[Permission | None]("permission", default=None)


def _permission() -> Permission:
    return _PERMISSION.get() or Permission()


@contextlib.contextmanager
def permitting(*, replace: bool = False, accept_edited: bool = False) -> Iterator[None]:
    """Inside this block stages may do more than they do by themselves.

    Args:
        replace: train anew where another training is, and write where a folder holds files that
            were added or changed; the old folder is kept beside as `<name>.replaced-<n>`.
        accept_edited: take folders whose files are not as bnnedge wrote them; what is made of them
            says so (`Artifact.edited`).
    """
    token = _PERMISSION.set(Permission(replace=replace, accept_edited=accept_edited))
    try:
        yield
    finally:
        _PERMISSION.reset(token)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _sha256_or_none(path: Path) -> str | None:
    whole = path.is_file() and path.stat().st_size <= _MOST_BYTES
    return sha256_of(path) if whole else None


def folder_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder` (without its own record), by relative path."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECORD
    }


def to_json(value: Any) -> Any:
    """`value` as JSON types: dataclasses, paths, enums and numpy scalars are unwrapped."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return getattr(value, "value", value)


@functools.cache
def _source_digest() -> str:
    """sha256 over bnnedge's own sources: a changed stage is a changed output."""
    root = Path(bnnedge.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a stage reads.

    Attributes:
        hashes: sha256 of the file, or of every file by relative path.
        edited: files in it, and in what it was made of, that are not as they were written.
    """

    hashes: Any
    edited: tuple[str, ...] = ()


def artifact_of(path: Path) -> Artifact | None:
    """The artifact that a folder lies in or is, or that a file is one of; None where there is none.

    Raises:
        ArtifactError: its record is damaged.
    """
    root = next((p for p in (path, *path.parents[:_DEEPEST]) if (p / RECORD).is_file()), None)
    artifact = None if root is None else load(root)
    if artifact is None or path.is_dir() or artifact.name_of(path) in artifact.files:
        return artifact
    return None


def check_input(path: Path) -> Input:
    """Hash a file or folder, which must be as its `artifact.json` says, where it has one.

    What others put beside an artifact's files is not part of it.

    Raises:
        ArtifactError: a file was changed or is missing, and that is not permitted; or it cannot be
            read, or is too large.
    """
    try:
        return _check_input(path)
    except OSError as error:
        raise ArtifactError(f"cannot read {error.filename or path}: {error.strerror}") from error


def _check_input(path: Path) -> Input:
    artifact = artifact_of(path)
    if artifact is None:
        _check_size(path)
        return Input(hashes=folder_hashes(path) if path.is_dir() else sha256_of(path))
    within = [name for name in artifact.files if (artifact.folder / name).is_relative_to(path)]
    found = {name: _sha256_or_none(artifact.folder / name) for name in within}
    edited = [name for name in within if found[name] != artifact.files[name]]
    if edited:
        what = f"{artifact.folder / edited[0]} is not as bnnedge {artifact.kind} wrote it"
        what += f", nor are {len(edited) - 1} more" if len(edited) > 1 else ""
        if not _permission().accept_edited:
            raise ArtifactError(
                what,
                remedy=f"run bnnedge {artifact.kind} again, or give --accept-edited to use it"
                " as it is",
            )
        warnings.warn(f"{what}: used as it is", BnnEdgeWarning, stacklevel=2)
    hashes = found if path.is_dir() else next(iter(found.values()))
    return Input(hashes=hashes, edited=artifact.edited_with(edited))


def _check_size(path: Path) -> None:
    """Raises ArtifactError if a file or folder of somebody else is more than is read in time."""
    found = 0
    for files, file in enumerate(path.rglob("*") if path.is_dir() else (path,), 1):
        found += file.stat().st_size if file.is_file() else 0
        if files > _MOST_FILES or found > _MOST_BYTES:
            raise ArtifactError(
                f"{path} is too large for an input: wanted at most {_MOST_FILES:,} files and"
                f" {_MOST_BYTES >> 30} GiB",
                remedy="give the folder that is meant, or move away what does not belong to it",
            )
    if not (path.is_dir() or path.is_file()):
        raise ArtifactError(f"cannot read {path}: wanted a file or a folder")


def stage(
    kind: str,
    out: Path,
    write: Callable[[Path], Mapping[str, Any]],
    *,
    config: Any,
    inputs: tuple[Path, ...] = (),
    tools: Callable[[], Mapping[str, str]] = dict,
    room_mib: int = 0,
) -> Artifact:
    """Run a stage into `out`, or return what is there when nothing it depends on has changed.

    Args:
        kind: the stage's verb.
        out: the folder to publish.
        write: writes the stage's files into the folder it is given and returns its facts.
        config: whatever else the output depends on; compared as JSON.
        inputs: files and folders that the output depends on.
        tools: gives the versions to record.
        room_mib: free disk space that long work is not begun without.

    Raises:
        ArtifactError: an input is not as it was written, `out` holds something that would be lost,
            or another process writes it.
        BnnEdgeError: the disk is full or not writable.
    """
    read = [check_input(path) for path in inputs]
    request = _Request(kind=kind, config=to_json(config), inputs=[item.hashes for item in read])
    with writing(out):
        sweep(out)
        present = present_in(out, kind)
        loss = None
        if present is not None:
            changed = present.changed()
            reused = _reusable(present, changed, request)
            if reused is not None:
                return reused
            loss = _loss(present, changed, request)
            if loss is not None and not _permission().replace:
                raise ArtifactError(loss, remedy=_ways_out(present, changed, request))
        check_room(out, room_mib)
    start = time.perf_counter()

    def keep() -> bool:
        return loss is not None or _written_to(out, request)

    with publish(out, keep=keep) as folder:
        facts = to_json(write(folder))
        record = {
            "kind": kind,
            "bnnedge": bnnedge.__version__,
            "sources": _source_digest(),
            "fingerprint": request.fingerprint(_source_digest()),
            "config": request.config,
            "edited": sorted({name for item in read for name in item.edited}),
            "files": folder_hashes(folder),
            "tools": dict(tools()),
            "wall_s": round(time.perf_counter() - start, 3),
            "facts": facts,
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return load(out)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What a stage is asked for, as JSON values."""

    kind: str
    config: Any
    inputs: Any

    def fingerprint(self, sources: str) -> str:
        """sha256 over everything that the output depends on, made by such sources of bnnedge."""
        content = {**dataclasses.asdict(self), "source": sources}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def present_in(out: Path, kind: str) -> Artifact | None:
    """What the same stage wrote into `out` before, or None where there is nothing.

    Raises:
        ArtifactError: something else is there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not out.is_dir():
        raise ArtifactError(f"{out} is a file, wanted a folder", remedy="choose another -o")
    if not (out / RECORD).is_file():
        raise ArtifactError(
            f"{out} exists and was not written by bnnedge", remedy="choose another -o"
        )
    present = load(out)
    if present.kind != kind:
        raise ArtifactError(
            f"{out} holds what bnnedge {present.kind} wrote, which bnnedge {kind} does not replace",
            remedy="choose another -o",
        )
    return present


def _reusable(present: Artifact, changed: Sequence[str], request: _Request) -> Artifact | None:
    """The present artifact, where it is what is asked for."""
    permission = _permission()
    if any(not (present.folder / name).exists() for name in changed):
        return None
    if changed and not permission.accept_edited:
        return None
    if present.fingerprint != request.fingerprint(_source_digest()):
        same = present.fingerprint == request.fingerprint(present.sources)
        if request.kind != TRAINING or not same or permission.replace:
            return None
        warnings.warn(
            f"{present.folder} was trained by other sources of bnnedge and is used as it is;"
            " --replace trains it anew",
            BnnEdgeWarning,
            stacklevel=2,
        )
    return dataclasses.replace(present, edited=present.edited_with(changed))


def _loss(present: Artifact, changed: Sequence[str], request: _Request) -> str | None:
    """What would be lost if the artifact were replaced, beyond what its step makes again."""
    for name in changed:
        if (present.folder / name).exists():
            return f"{present.folder / name} was changed since bnnedge {present.kind} wrote it"
    for name in present.added():
        return f"{present.folder / name} was not written by bnnedge"
    if present.kind == TRAINING:
        differs: str | None = "it does not say of what"  # one of an old bnnedge
        if changed:
            differs = f"{changed[0]} is missing"
        elif present.config is not None:
            differs = _first_difference(present.config, request.config, ())
        return f"{present.folder} holds another training" + (f" ({differs})" if differs else "")
    return None


def _ways_out(present: Artifact, changed: Sequence[str], request: _Request) -> str:
    """What can be done where something would be lost."""
    kept = free_name(present.folder).name
    ways = f"choose another -o, or give --replace: the old folder is then kept as {kept}"
    usable = present.fingerprint == request.fingerprint(_source_digest()) and all(
        (present.folder / name).exists() for name in changed
    )
    return f"{ways}; --accept-edited uses it as it is" if changed and usable else ways


def _written_to(out: Path, request: _Request) -> bool:
    """Whether somebody has put into `out`, while we worked, what would be lost; says so."""
    try:
        now = present_in(out, request.kind)
        lost = now is not None and _loss(now, now.changed(), request) is not None
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


def load(folder: Path) -> Artifact:
    """Read the record of a published folder.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    if not (folder / RECORD).is_file():
        raise ArtifactError(f"{folder} was not written by bnnedge: it has no {RECORD}")
    record = load_json(folder / RECORD, raises=ArtifactError)
    try:
        artifact = Artifact(
            folder=folder,
            kind=record["kind"],
            fingerprint=record["fingerprint"],
            files=record["files"],
            tools=record["tools"],
            wall_s=record["wall_s"],
            facts=record["facts"],
            config=record.get("config"),
            sources=record.get("sources", ""),
            edited=tuple(record.get("edited", ())),
        )
        _check_record(artifact)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{folder} was not written by bnnedge, or is damaged"
            f" ({RECORD}: {type(error).__name__}: {error})",
            remedy="delete it, or run the step that makes it into another folder",
        ) from error
    return artifact


def _check_record(artifact: Artifact) -> None:
    """Raises TypeError or ValueError where a record's values are not what they should be."""
    texts = (artifact.kind, artifact.fingerprint, artifact.sources, *artifact.edited)
    if not all(isinstance(text, str) for text in (*texts, *artifact.files.values())):
        raise TypeError("wanted kind, fingerprint, sources, edited and sha256 of files as text")
    if not (isinstance(artifact.tools, dict) and isinstance(artifact.facts, dict)):
        raise TypeError("wanted tools and facts as objects")
    if not isinstance(artifact.wall_s, int | float):
        raise TypeError("wanted wall_s as a number")
    for name in artifact.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"wanted names of files in the folder, got {name!r}")
