"""Artifacts: what a stage leaves behind, published whole or not at all, and skipped when current.

An artifact is a folder with an `artifact.json` beside the stage's own files. The folder is
written under a temporary name and renamed at the end, so a killed run leaves nothing half-made.
"""

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bnnedge
from bnnedge.errors import BnnEdgeError, ConfigError

RECORD = "artifact.json"
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


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
    """

    folder: Path
    kind: str
    fingerprint: str
    files: Mapping[str, str]
    tools: Mapping[str, str]
    wall_s: float
    facts: Mapping[str, Any]


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


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


def fingerprint(kind: str, config: Any, *inputs: Path) -> str:
    """sha256 over a stage's name, its config, its input files or folders, and our sources."""
    content = {
        "kind": kind,
        "source": _source_digest(),
        "config": to_json(config),
        "inputs": [folder_hashes(p) if p.is_dir() else sha256_of(p) for p in inputs],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def publish(folder: Path) -> Iterator[Path]:
    """Give a temporary sibling of `folder` to write into; it takes the name at the end.

    An existing `folder` is replaced only if it is empty or an artifact. On any exception, Ctrl-C
    included, the temporary folder is removed and what was there before stays.

    Raises:
        ConfigError: `folder` exists and is not ours to replace.
        BnnEdgeError: the disk is full or not writable.
    """
    folder = folder.absolute()
    if folder.exists() and not _replaceable(folder):
        raise ConfigError(
            f"{folder} exists and was not written by bnnedge", remedy="choose another -o"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        temporary.chmod(0o755)
    except OSError as error:
        raise BnnEdgeError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise BnnEdgeError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir()))


def stage(
    kind: str,
    out: Path,
    write: Callable[[Path], Mapping[str, Any]],
    *,
    config: Any,
    inputs: tuple[Path, ...] = (),
    tools: Callable[[], Mapping[str, str]] = dict,
) -> Artifact:
    """Run a stage into `out`, or return what is there when nothing it depends on has changed.

    Args:
        kind: the stage's verb.
        out: the folder to publish.
        write: writes the stage's files into the folder it is given and returns its facts.
        config: whatever else the output depends on; compared as JSON.
        inputs: files and folders that the output depends on.
        tools: gives the versions to record.
    """
    key = fingerprint(kind, config, *inputs)
    with contextlib.suppress(ConfigError):
        present = load(out)
        if present.fingerprint == key and _is_whole(present):
            return present
    start = time.perf_counter()
    with publish(out) as folder:
        facts = to_json(write(folder))
        record = {
            "kind": kind,
            "bnnedge": bnnedge.__version__,
            "fingerprint": key,
            "files": folder_hashes(folder),
            "tools": dict(tools()),
            "wall_s": round(time.perf_counter() - start, 3),
            "facts": facts,
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    return load(out)


def _is_whole(artifact: Artifact) -> bool:
    """Whether every file is as it was written; what others have put beside them stays."""
    return all(
        path.is_file() and sha256_of(path) == digest
        for path, digest in ((artifact.folder / name, h) for name, h in artifact.files.items())
    )


def load(folder: Path) -> Artifact:
    """Read the record of a published folder.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        return Artifact(
            folder=folder,
            kind=record["kind"],
            fingerprint=record["fingerprint"],
            files=record["files"],
            tools=record["tools"],
            wall_s=record["wall_s"],
            facts=record["facts"],
        )
    except FileNotFoundError:
        raise ConfigError(f"{folder} was not written by bnnedge: it has no {RECORD}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder} was not written by bnnedge, or is damaged ({RECORD}: {error})",
            remedy="run the step that makes it again",
        ) from error
