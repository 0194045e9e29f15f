"""Single files that verbs write: in place of another of their kind, never of anything else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bnnedge.artifacts import artifact_of
from bnnedge.errors import ArtifactError, BnnEdgeError
from bnnedge.filekinds import file_kind
from bnnedge.publishing import writing


def check_output_file(path: Path, kind: str, *, inputs: tuple[Path, ...] = ()) -> None:
    """See to it that a file can be written without loss.

    Args:
        path: the file; it need not exist.
        kind: what it will be, as `file_kind` calls it; another one of that kind may be replaced.
        inputs: what is read to make it.

    Raises:
        ArtifactError: something would be lost.
        BnnEdgeError: it cannot be written there.
    """
    with writing(path):
        target = Path(os.path.realpath(path))
        if not target.exists() and not target.is_symlink():
            return
        if not target.is_file():
            raise BnnEdgeError(f"cannot write {path}: it is a folder, a device or a pipe")
        artifact = artifact_of(target)
        what = None
        if any(item.exists() and item.samefile(target) for item in inputs):
            what = "is what is read"
        elif artifact is not None:
            what = f"belongs to what bnnedge {artifact.kind} wrote"
        elif target.stat().st_size and file_kind(target) != kind:
            what = f"is not {kind}"
    if what is not None:
        raise ArtifactError(f"{path} {what} and would be lost", remedy="choose another file")


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an `.npy` file whole or not at all; see `write_whole`."""
    write_whole(path, lambda sink: np.save(sink, array))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all; a link to one stays a link.

    Args:
        path: the file.
        write: is given what to write into.

    Raises:
        BnnEdgeError: it cannot be written.
    """
    with writing(path):
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".bnnedge-{os.getpid()}{target.suffix}")
        try:
            with partial.open("xb") as sink:
                write(sink)
            partial.replace(target)
        except FileNotFoundError as error:  # in /proc, say
            raise BnnEdgeError(f"cannot write {path}: {error.strerror}") from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
