"""IDX files (the MNIST format), plain or gzipped."""

import contextlib
import gzip
import math
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.filekinds import GZIP, refuse_other_file
from bnnedge.files import open_file

_UINT8 = 0x08
_MOST_AXES = 4
_MOST_BYTES = 2**28


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes; no more is unpacked than its header announces.

    Raises:
        DataError: unreadable, not IDX, not bytes, too large, or shorter or longer than its header
            says.
    """
    try:
        with open_file(path, raises=DataError) as file, contextlib.ExitStack() as stack:
            source: IO[bytes] | gzip.GzipFile = file
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                source = stack.enter_context(gzip.GzipFile(fileobj=file))
            return _read(path, source)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error}", remedy="fetch the data set again"
        ) from error


def _read(path: Path, source: IO[bytes] | gzip.GzipFile) -> NDArray[np.uint8]:
    head = source.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        refuse_other_file(path, DataError, "an IDX file", GZIP)
        raise DataError(f"{path} is not an IDX file: it starts with {head.hex() or 'nothing'}")
    kind, axes = head[2:]
    if kind != _UINT8:
        raise DataError(f"{path}: wanted IDX type 0x08 (unsigned bytes), got 0x{kind:02x}")
    sizes = np.frombuffer(source.read(4 * axes).ljust(4 * axes, b"\0"), ">u4")
    shape = tuple(map(int, sizes))
    count = math.prod(shape)
    if axes > _MOST_AXES or count > _MOST_BYTES:
        raise DataError(
            f"{path}: wanted at most {_MOST_AXES} axes and {_MOST_BYTES >> 20} MiB,"
            f" its header says {str(shape)[:80]}"
        )
    content = source.read(count + 1)
    if len(content) != count or not count:
        got = "more" if len(content) > count else len(content)
        raise DataError(
            f"{path} is truncated or damaged: header says {shape}, {got} bytes are there",
            remedy="fetch the data set again",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)
