from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import ArtifactError, BnnEdgeError
from bnnedge.filekinds import FST, NPY
from bnnedge.outputs import check_output_file, write_array
from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """What a stage finds that looks for nothing."""


@pytest.fixture
def array(tmp_path: Path) -> Path:
    write_array(tmp_path / "array.npy", np.arange(3))
    return tmp_path / "array.npy"


def test_an_array_takes_the_place_of_another_and_of_none(tmp_path: Path, array: Path) -> None:
    (tmp_path / "link.npy").symlink_to(array)
    for path in (array, tmp_path / "link.npy", tmp_path / "deep" / "new.npy"):
        check_output_file(path, NPY)
        write_array(path, np.arange(4))
        assert np.load(path).tolist() == [0, 1, 2, 3]
    assert (tmp_path / "link.npy").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["array.npy", "deep", "link.npy"]


def test_what_is_read_is_not_replaced(tmp_path: Path, array: Path) -> None:
    (tmp_path / "link.npy").symlink_to(array)
    with pytest.raises(ArtifactError, match="link.npy is what is read and would be lost"):
        check_output_file(tmp_path / "link.npy", NPY, inputs=(array,))


def test_files_of_other_kinds_are_not_replaced(tmp_path: Path, array: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for path, kind in ((tmp_path / "thesis.tex", NPY), (array, FST)):
        with pytest.raises(ArtifactError, match=r"is not a .* and would be lost — choose another"):
            check_output_file(path, kind)


def test_files_of_an_artifact_are_not_replaced_but_others_beside_them(tmp_path: Path) -> None:
    def write(folder: Path) -> Nothing:
        write_array(folder / "example" / "inputs.npy", np.arange(3))
        return Nothing()

    stage = Stage(kind="package", facts=Nothing, rooms=())
    out = stage.publish(tmp_path / "out", write, config={}).folder
    with pytest.raises(ArtifactError, match="belongs to what bnnedge package wrote"):
        check_output_file(out / "example" / "inputs.npy", NPY)
    write_array(out / "example" / "results.npy", np.arange(3))
    check_output_file(out / "example" / "results.npy", NPY)


@pytest.mark.parametrize("name", ["", "file/x.npy", "loop", "loop/x.npy", "/proc/self/x.npy"])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BnnEdgeError, match=r"cannot write|would be lost"):
        check_output_file(tmp_path / name, NPY)
        write_array(tmp_path / name, np.arange(3))


def test_an_array_that_does_not_fit_on_the_disk_is_one_line(
    array: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object) -> None:
        raise OSError("20000 requested and 109 written")  # as NumPy says it, without a number

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(BnnEdgeError, match=r"cannot write .*array.npy: 20000 requested"):
        write_array(array, np.arange(4))
    assert [path.name for path in array.parent.iterdir()] == ["array.npy"]
    assert np.load(array).tolist() == [0, 1, 2]
