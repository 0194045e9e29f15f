"""Array files of any origin are read within limits, or refused in one line."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.arrays import open_npz, read_npy, read_npz
from bnnedge.errors import ArrayError

ARRAYS = {
    "a.weights": np.arange(12, dtype=np.int32).reshape(3, 4),
    "b": np.array([True, False]),
    "c": np.float32(1.5) * np.ones((2, 0, 3), np.float32),
    "scalar": np.array(7, np.uint8),
    "fortran": np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3)),
}


def header(shape: Any, descr: str = "<i4") -> bytes:
    sink = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        sink, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return sink.getvalue()


def npz(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_writes(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "a.npz", **ARRAYS)
    read = read_npz(tmp_path / "a.npz")
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        assert read[name].flags.writeable
        assert np.array_equal(read[name], array)
        np.save(tmp_path / "a.npy", array)
        assert np.array_equal(read_npy(tmp_path / "a.npy"), array)


def test_reads_only_the_arrays_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    assert list(read_npz(tmp_path / "a.npz", ["b"])) == ["b"]
    with pytest.raises(ArrayError, match="array d is missing"):
        read_npz(tmp_path / "a.npz", ["b", "d"])


def test_a_bomb_is_refused_by_its_headers(tmp_path: Path) -> None:
    zeros = header((1 << 26,)) + bytes(1 << 20)  # its data is cut, which is not looked at
    for members, why in (
        ({"a.npy": header((10**12,))}, "truncated"),
        ({"a.npy": header((1 << 62, 1 << 62, 0))}, "damaged"),
        ({"a.npy": header((1 << 18,)) + bytes(1 << 20)}, "wanted at most 0 MiB"),
        ({"a.npy": zeros}, "truncated"),
        ({f"{i}.npy": header((0,)) for i in range(10_001)}, "10001 arrays"),
    ):
        path = npz(tmp_path / "a.npz", members)
        with pytest.raises(ArrayError, match=why), open_npz(path, most_bytes=1 << 19):
            pass


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\5\6",
        b"\x93NUMPY\1\0\xff\xff",
        header((3,)),
        header((3,)) + bytes(13),
        header((3,), "|O") + bytes(24),
        header((3,)).replace(b"(3,)", b"(-3,)"),
        header((3,)).replace(b"(3,)", b"(" * 3 + b"3"),
        header((1,) * 64) + bytes(4),
        b"\x93NUMPY\1\0\x20\1{'descr': " + b"(" * 280,
    ],
)
def test_what_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ArrayError):
        read_npy(tmp_path / "a.npy")
    with pytest.raises(ArrayError):
        read_npz(tmp_path / "a.npy")
    with pytest.raises(ArrayError):
        read_npz(npz(tmp_path / "a.npz", {"a.npy": content}))


def test_pickles_devices_and_absent_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    for path in (tmp_path / "o.npy", tmp_path, tmp_path / "absent", Path("/dev/zero"), Path("\0")):
        with pytest.raises(ArrayError):
            read_npy(path)
        with pytest.raises(ArrayError):
            read_npz(path)


def test_flipped_bits_are_refused_or_change_nothing_but_names(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **ARRAYS)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            read = read_npz(path)
        except ArrayError:
            continue
        for array, wanted in zip(read.values(), ARRAYS.values(), strict=False):
            assert np.array_equal(array, wanted)
