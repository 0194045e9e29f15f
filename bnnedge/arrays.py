"""Arrays from `.npy` and `.npz` files of any origin.

Headers are looked at first: nothing is unpacked that is not wanted, not of numbers, larger than
the caller allows, or of another size than its header says. So a small file takes little memory.
"""

import contextlib
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import ArrayError
from bnnedge.filekinds import NPY, NPZ, refuse_other_file

MOST_BYTES = 1 << 29
"""Of all arrays of an `.npz` file: the largest test set, SVHN's, takes 320 MB as float32."""
_MOST_ARRAYS = 10_000
_MOST_DIRECTORY_BYTES = 1 << 21  # of `_MOST_ARRAYS` entries with long names
_MOST_HEADER_BYTES = 4096
_MOST_AXES = 32
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>[<>|=]?[biuf]\d{1,2})', 'fortran_order': (?P<fortran>True|False),"
    rb" 'shape': \((?P<shape>[\dL, ]*)\),? ?\} *\n?"
)
ZIP_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    OverflowError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `zipfile` raises on damaged archives, and on encrypted and unknown ones (RuntimeError)."""


@dataclass(frozen=True, kw_only=True)
class ArrayHeader:
    """What an array is, as its `.npy` header says.

    Attributes:
        shape: of the array.
        dtype: of numbers: bool, an integer or a float.
        fortran: the first axis varies fastest in the file.
        start: where the data begins, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def data_bytes(self) -> int:
        """Bytes of the data."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class ArrayArchive:
    """An open `.npz` file, see `open_npz`.

    Attributes:
        headers: of every array, by name.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        entries = archive.infolist()
        if len(entries) > _MOST_ARRAYS:
            raise _damaged(path, f"{len(entries)} arrays, wanted at most {_MOST_ARRAYS}")
        headers: dict[str, ArrayHeader] = {}
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in headers:
                raise _damaged(path, f"array {name!r} is there twice")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _damaged(path, f"array {name!r} is packed in an unknown way")
            with archive.open(entry) as source:
                header = _read_header(source, f"{path}: array {name!r}")
            _require_size(header, entry.file_size, f"{path}: array {name!r}")
            headers[name], self._entries[name] = header, entry
        self.headers: Mapping[str, ArrayHeader] = headers

    def read(self, name: str) -> NDArray[Any]:
        """An array, which is in `headers`. Raises ArrayError where its data is damaged."""
        header = self.headers[name]
        try:
            with self._archive.open(self._entries[name]) as source:
                source.read(header.start)
                return _read_data(source, header)
        except ZIP_DAMAGE as error:
            raise _damaged(self._path, f"array {name!r}: {_line(error)}") from error


@contextlib.contextmanager
def open_npz(path: Path, *, most_bytes: int = MOST_BYTES) -> Iterator[ArrayArchive]:
    """Open an `.npz` file, to look at its headers and to read some of its arrays.

    Args:
        path: the file.
        most_bytes: that all its arrays together may take in memory.

    Raises:
        ArrayError: the file is missing, damaged, too large, or holds more than numbers.
    """
    with _opened(path, NPZ, b"PK") as source:
        try:
            _require_small_directory(source, path)
            archive = zipfile.ZipFile(source)
        except ZIP_DAMAGE as error:
            raise _damaged(path, _line(error)) from error
        with archive:
            try:
                arrays = ArrayArchive(path, archive)
            except ZIP_DAMAGE as error:
                raise _damaged(path, _line(error)) from error
            total = sum(header.data_bytes for header in arrays.headers.values())
            if total > most_bytes:
                raise ArrayError(
                    f"{path}: its arrays take {total >> 20} MiB, wanted at most"
                    f" {most_bytes >> 20} MiB"
                )
            yield arrays


def read_npz(
    path: Path, names: Collection[str] | None = None, *, most_bytes: int = MOST_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays in an `.npz` file, by name.

    Args:
        path: the file.
        names: the arrays to read; all by default.
        most_bytes: that all its arrays together may take in memory.

    Raises:
        ArrayError: the file is missing, damaged, too large, without one of `names`, or holds more
            than numbers.
    """
    with open_npz(path, most_bytes=most_bytes) as archive:
        wanted = archive.headers if names is None else names
        missing = [name for name in wanted if name not in archive.headers]
        if missing:
            raise ArrayError(f"{path}: array {missing[0]} is missing")
        return {name: archive.read(name) for name in wanted}


def read_npy(path: Path) -> NDArray[Any]:
    """The array in an `.npy` file, which takes as much memory as the file is long.

    Raises:
        ArrayError: the file is missing, truncated, no `.npy` file, or holds more than numbers.
    """
    with _opened(path, NPY, _MAGIC) as source:
        try:
            header = _read_header(source, str(path))
            _require_size(header, path.stat().st_size, str(path))
            return _read_data(source, header)
        except (OSError, EOFError) as error:
            raise ArrayError(f"cannot read {path}: {error}") from error


def npy_header(path: Path) -> ArrayHeader:
    """What an `.npy` file says of its array, which is not read.

    Raises:
        ArrayError: see `read_npy`.
    """
    with _opened(path, NPY, _MAGIC) as source:
        try:
            return _read_header(source, str(path))
        except (OSError, EOFError) as error:
            raise ArrayError(f"cannot read {path}: {error}") from error


@contextlib.contextmanager
def _opened(path: Path, wanted: str, start: bytes) -> Iterator[IO[bytes]]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ArrayError(f"cannot read {path}: it is no file")
        source = path.open("rb")
    except OSError as error:
        raise ArrayError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a name with a NUL
        raise ArrayError(f"cannot read {str(path)!r}: {error}") from error
    with source:
        if source.read(len(start)) != start:
            refuse_other_file(path, ArrayError, wanted)
        source.seek(0)
        yield source


def _require_small_directory(source: IO[bytes], path: Path) -> None:
    """`zipfile` reads the whole directory, at many times its size."""
    end = 22  # bytes of the record at the end of a zip archive without a comment
    size = source.seek(0, 2)
    source.seek(max(0, size - end - 20))
    tail = source.read()
    if size < end or tail[-end:][:4] != b"PK\5\6":
        raise _damaged(path, "it is no .npz file, or truncated")
    directory_bytes = int.from_bytes(tail[-10:-6], "little")
    if tail[:4] == b"PK\6\7" or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise _damaged(path, f"it holds more than {_MOST_ARRAYS} arrays")


def _read_header(source: IO[bytes], what: str) -> ArrayHeader:
    start = source.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(start[6]) if len(start) == 8 else None
    if start[:6] != _MAGIC or width is None:
        raise ArrayError(
            f"{what} is not an .npy file of numbers, or is truncated",
            remedy="write it with numpy.save",
        )
    length = int.from_bytes(source.read(width), "little")
    text = source.read(length) if length <= _MOST_HEADER_BYTES else b""
    match = _HEADER.fullmatch(text)
    if match is None or len(text) != length:
        raise ArrayError(
            f"{what}: wanted an array of numbers, its header says"
            f" {text[:80].decode('latin-1').strip()!r}",
            remedy="write booleans, integers or floats with numpy.save",
        )
    try:
        dtype = np.dtype(match["dtype"].decode())
        shape = tuple(
            int(size.rstrip(b"L ")) for size in match["shape"].split(b",") if size.strip()
        )
    except (TypeError, ValueError) as error:
        raise ArrayError(f"{what}: its header is damaged ({error})") from error
    if len(shape) > _MOST_AXES or max(shape, default=0) >= 1 << 48:
        raise ArrayError(f"{what}: its header is damaged: no array has shape {shape[:4]}…")
    return ArrayHeader(
        shape=shape, dtype=dtype, fortran=match["fortran"] == b"True", start=8 + width + length
    )


def _require_size(header: ArrayHeader, file_bytes: int, what: str) -> None:
    if header.start + header.data_bytes != file_bytes:
        raise ArrayError(
            f"{what} is truncated or damaged: {header} takes {header.data_bytes} bytes,"
            f" {file_bytes - header.start} are there"
        )


def _read_data(source: IO[bytes], header: ArrayHeader) -> NDArray[Any]:
    """A new array; C order unless the file says otherwise."""
    try:
        flat = np.empty(math.prod(header.shape), header.dtype)
    except MemoryError:
        raise ArrayError(
            f"{header} takes {header.data_bytes >> 20} MiB, more than there is"
        ) from None
    view, at = flat.view(np.uint8).data, 0
    while at < len(view):
        chunk = source.read(min(len(view) - at, 1 << 20))
        if not chunk:
            raise EOFError("it is truncated")
        view[at : at + len(chunk)] = chunk
        at += len(chunk)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _line(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__


def _damaged(path: Path, why: str) -> ArrayError:
    return ArrayError(f"{path} is damaged or no .npz file ({why})")
