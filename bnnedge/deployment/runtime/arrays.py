"""Arrays in `.npy` and `.npz` files of any origin: sizes are looked at before anything is unpacked.

A header is matched as text, so no Python of its author's is evaluated.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # numpy's types cannot be subscripted in Python 3.8
    _Array = np.ndarray[Any, np.dtype[Any]]

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # by version of the format
_MOST_HEADER_BYTES = 4096
_MOST_AXES = 32
_MOST_DIGITS = 15  # of an axis
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z]\d{0,5})', 'fortran_order': (True|False),"
    rb" 'shape': \(([\dL, ]*)\),? ?\} *\n?"
)
_CHUNK_BYTES = 1 << 20
_DAMAGE = (
    OSError,
    EOFError,
    LookupError,
    OverflowError,
    NotImplementedError,
    RuntimeError,  # an encrypted entry
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_array(source: IO[bytes], most_bytes: int) -> _Array:
    """The array of numbers that a `.npy` stream begins with.

    Args:
        source: the stream.
        most_bytes: that the array may take.

    Raises:
        ValueError: no such stream, another kind of array, or a truncated or larger one.
    """
    start = source.read(8)
    width = _LENGTH_BYTES.get(start[6]) if len(start) == 8 else None
    if start[:6] != _MAGIC or width is None:
        raise ValueError("it is no .npy file")
    length = int.from_bytes(source.read(width), "little")
    text = source.read(length) if length <= _MOST_HEADER_BYTES else b""
    match = _HEADER.fullmatch(text)
    if match is None or len(text) != length:
        raise ValueError("its .npy header is damaged, or of an array of no numbers")
    try:
        dtype = np.dtype(match.group(1).decode())
    except TypeError as error:
        raise ValueError(f"its .npy header is damaged ({error})") from error
    sizes = match.group(3).replace(b"L", b"").replace(b",", b" ").split()
    if len(sizes) > _MOST_AXES or max(map(len, sizes), default=0) > _MOST_DIGITS:
        raise ValueError("its .npy header is damaged: no array has that shape")
    shape = tuple(map(int, sizes))
    if dtype.kind not in "biuf":
        raise ValueError(f"wanted real numbers, got dtype {dtype}")
    count = math.prod(shape)
    if count * dtype.itemsize > most_bytes:
        raise ValueError(f"an array of {shape} {dtype} takes more than {most_bytes} bytes")
    flat = _read_data(source, count, dtype)
    return flat.reshape(shape, order="F" if match.group(2) == b"True" else "C")


def _read_data(source: IO[bytes], count: int, dtype: np.dtype[Any]) -> _Array:
    try:
        flat: _Array = np.empty(count, dtype)
    except MemoryError:
        raise ValueError(
            f"its {count * dtype.itemsize >> 20} MiB are more than there is memory"
        ) from None
    view, at = flat.view(np.uint8).data, 0
    while at < len(view):
        chunk = source.read(min(len(view) - at, _CHUNK_BYTES))
        if not chunk:
            raise ValueError(f"truncated: wanted {len(view)} bytes of data, got {at}")
        view[at : at + len(chunk)] = chunk
        at += len(chunk)
    return flat


class Arrays:
    """Arrays in the bytes of an `.npz` file.

    Args:
        data: the whole file.
        most_bytes: that each array may take.

    Raises:
        ValueError: it is no such file.
    """

    def __init__(self, data: bytes, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except _DAMAGE as error:
            raise ValueError(f"it is no .npz file ({error})") from error

    def read(self, name: str, dtype: Any, axes: int) -> _Array:
        """An array of this dtype with so many axes. Raises ValueError."""
        try:
            with self._archive.open(f"{name}.npy") as source:
                array = read_array(source, self._most_bytes)
        except ValueError as error:
            raise ValueError(f"array {name}: {error}") from error
        except _DAMAGE as error:
            raise ValueError(f"array {name} is missing or damaged ({error})") from error
        if array.dtype != dtype or array.ndim != axes:
            raise ValueError(
                f"array {name}: wanted {np.dtype(dtype)} with {axes} axes,"
                f" got {array.dtype} {array.shape}"
            )
        return array
