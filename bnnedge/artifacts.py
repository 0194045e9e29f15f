"""Artifacts: what a stage leaves behind, and what of it somebody changed.

An artifact is a folder with an `artifact.json` beside the stage's own files, which has the sha256
of each. `bnnedge.stages` says when one is made, and when it is used as it is.

Nothing that was changed goes unnoticed: an input folder is what its `artifact.json` says, unless
`permitting` allows another one.
"""

import contextlib
import contextvars
import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bnnedge.errors import ArtifactError, BnnEdgeWarning, named
from bnnedge.files import load_json
from bnnedge.options import keywords, option

RECORD = "artifact.json"
_LEFT_BY_PYTHON = "__pycache__"  # where a package's driver was run
_MOST_FILES = 10_000  # of an input
_MOST_BYTES = 2**33  # of one
_DEEPEST = 4  # folders between an artifact's own and a file in it

Facts = TypeVar("Facts")


@dataclass(frozen=True, kw_only=True)
class Artifact(Generic[Facts]):
    """A published stage output.

    Attributes:
        folder: where it is.
        kind: the stage's verb, e.g. "lower".
        fingerprint: sha256 over everything that the output depends on.
        files: sha256 of every file in the folder, by relative path.
        tools: versions of the tools and packages that took part.
        wall_s: seconds that the stage took.
        facts: the stage's own figures and checks: JSON values, or what its `Stage` makes of them.
        config: what was asked of the stage; None: written before this was recorded.
        sources: sha256 over what made it: sources of bnnedge, versions of tools.
        edited: files of its inputs, and of theirs, that somebody had changed.
    """

    folder: Path
    kind: str
    fingerprint: str
    files: Mapping[str, str]
    tools: Mapping[str, str]
    wall_s: float
    facts: Facts
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
    """What a user allows beyond what loses nothing and trusts nothing; see `permitting`.

    Attributes:
        replace: train anew where another training is, and write where a folder holds files that
            were added or changed; the old folder is kept beside as `<name>.replaced-<n>`.
        accept_edited: take folders whose files are not as bnnedge wrote them; what is made of them
            says so (`Artifact.edited`).
    """

    replace: bool = option(
        False,
        help="Where -o holds another training, or files of yours: keep it beside, and go on.",
    )
    accept_edited: bool = option(False, help="Use folders that were changed by hand.")


def permitted(option: str) -> str:
    """What allows something, in the words of the caller, see `named`."""
    words = named(option, True)
    return words if words.startswith("--") else f"bnnedge.permitting({words})"


_PERMISSION = contextvars.ContextVar[Permission | None]("permission", default=None)


def permission() -> Permission:
    """What is allowed here."""
    return _PERMISSION.get() or Permission()


@keywords
@contextlib.contextmanager
def permitting(allowed: Permission) -> Iterator[None]:
    """Inside this block stages may do more than they do by themselves."""
    token = _PERMISSION.set(allowed)
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


@dataclass(frozen=True, kw_only=True)
class Input:
    """What a stage reads.

    Attributes:
        hashes: sha256 of the file, or of every file by relative path.
        edited: files in it, and in what it was made of, that are not as they were written.
    """

    hashes: Any
    edited: tuple[str, ...] = ()


def artifact_of(path: Path) -> Artifact[Any] | None:
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
        if not permission().accept_edited:
            raise ArtifactError(
                what,
                remedy=f"run bnnedge {artifact.kind} again, or give {permitted('accept_edited')}"
                " to use it as it is",
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


def load(folder: Path) -> Artifact[Mapping[str, Any]]:
    """Read the record of a published folder.

    Raises:
        ArtifactError: there is none, or it is damaged.
    """
    if not (folder / RECORD).is_file():
        raise ArtifactError(f"{folder} was not written by bnnedge: it has no {RECORD}")
    record = load_json(folder / RECORD, raises=ArtifactError)
    try:
        artifact: Artifact[Mapping[str, Any]] = Artifact(
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


def _check_record(artifact: Artifact[Mapping[str, Any]]) -> None:
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
