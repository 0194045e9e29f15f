"""Arrays of numbers in MATLAB files of version 5; sizes are looked at before anything is unpacked.

The format is described in "MAT-File Format" (The MathWorks), "Level 5 MAT-File Format".
"""

import functools
import math
import struct
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.filekinds import MATLAB, refuse_other_file
from bnnedge.files import open_file

_HEADER_BYTES = 128
_ORDERS = {b"IM": "<", b"MI": ">"}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_STORED = {
    _INT8: "i1", 2: "u1", 3: "i2", 4: "u2", _INT32: "i4", _UINT32: "u4",
    7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_COMPLEX = 0x800
_FIRST_BYTES = 1024  # hold all of a matrix but its numbers
_MOST_AXES = 8


class _DamageError(Exception):
    """What is wrong with a file."""


def read_mat(path: Path, names: Collection[str], *, most_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays called `names`.

    Args:
        path: the file, its variables compressed or not.
        names: which variables.
        most_bytes: that each of them may take.

    Raises:
        DataError: the file is unreadable, no MATLAB file of version 5, damaged, lacks a name, or
            one is larger or no array of numbers.
    """
    with open_file(path, raises=DataError) as source:
        try:
            return _read(source, names, most_bytes)
        except (_DamageError, OSError, zlib.error, struct.error) as error:
            refuse_other_file(path, DataError, MATLAB)
            raise DataError(f"{path} is damaged: {error}") from error


def _read(source: BinaryIO, names: Collection[str], most_bytes: int) -> dict[str, NDArray[Any]]:
    file_bytes = source.seek(0, 2)
    source.seek(0)
    order = _ORDERS.get(source.read(_HEADER_BYTES)[-2:])
    if order is None or file_bytes < _HEADER_BYTES:
        raise _DamageError("it is no MATLAB file of version 5")
    found: dict[str, NDArray[Any]] = {}
    while source.tell() < file_bytes and len(found) < len(names):
        kind, size = struct.unpack(f"{order}II", source.read(8))
        start, end = source.tell(), source.tell() + size
        if end > file_bytes:
            raise _DamageError("it is truncated")
        if kind == _COMPRESSED:
            matrix = _inflating(source.read(min(size, most_bytes)))
        elif kind == _MATRIX:
            matrix = functools.partial(_reading, source, start, size)
        else:
            raise _DamageError(f"it holds an element of type {kind}, wanted variables")
        name, array = _array(matrix, names, order, most_bytes)
        if array is not None:
            found[name] = array
        source.seek(end)
    for name in names:
        if name not in found:
            raise _DamageError(f"{name!r} is missing")
    return found


def _reading(source: BinaryIO, start: int, size: int, count: int) -> bytes:
    source.seek(start)
    return source.read(min(size, count))


def _inflating(packed: bytes) -> Callable[[int], bytes]:
    return lambda count: zlib.decompressobj().decompress(packed, 8 + count)[8:]  # behind its tag


def _array(
    matrix: Callable[[int], bytes], names: Collection[str], order: str, most_bytes: int
) -> tuple[str, NDArray[Any] | None]:
    """The name of a variable and, if that is wanted, its array.

    Args:
        matrix: gives the first so many bytes of it.
        names: the wanted ones.
        order: of the bytes, as `struct` writes it.
        most_bytes: that it may take.
    """
    first = matrix(_FIRST_BYTES)
    _, flags_at, _, after = _element(first, 0, order)
    _, shape_at, shape_bytes, after = _element(first, after, order)
    _, name_at, name_bytes, after = _element(first, after, order)
    name = first[name_at : name_at + name_bytes].decode("latin-1")
    if name not in names:
        return name, None
    (flags,) = struct.unpack_from(f"{order}I", first, flags_at)
    shape = struct.unpack_from(f"{order}{min(shape_bytes // 4, _MOST_AXES)}i", first, shape_at)
    kind, at, size, _ = _element(first, after, order)
    if flags & 0xFF not in _CLASSES or flags & _COMPLEX or kind not in _STORED:
        raise _DamageError(f"{name!r} is no array of real numbers")
    stored, dtype = np.dtype(order + _STORED[kind]), np.dtype(_CLASSES[flags & 0xFF])
    if min(shape) < 0 or size != math.prod(shape) * stored.itemsize:
        raise _DamageError(f"{name!r} of shape {shape} does not take {size} bytes")
    if math.prod(shape) * dtype.itemsize > most_bytes:
        raise _DamageError(f"{name!r} of shape {shape} is larger than {most_bytes >> 20} MiB")
    numbers = matrix(at + size)[at:]
    if len(numbers) != size:
        raise _DamageError("it is truncated")
    array = np.frombuffer(numbers, stored).astype(dtype, copy=False)
    return name, array.reshape(shape, order="F")


def _element(content: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Type, begin and bytes of the data of the element at `at`, and where the next one is."""
    (tag,) = struct.unpack_from(f"{order}I", content, at)
    if tag >> 16:  # so small that it fits into its own tag
        return tag & 0xFFFF, at + 4, tag >> 16, at + 8
    (size,) = struct.unpack_from(f"{order}I", content, at + 4)
    return tag, at + 8, size, at + 8 + -(-size // 8) * 8
