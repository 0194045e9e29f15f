"""IDX files (the MNIST format), plain or gzipped."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.filekinds import GZIP, refuse_other_file

_UINT8 = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes.

    Raises:
        DataError: unreadable, not IDX, not bytes, or shorter or longer than its header says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error}", remedy="fetch the data set again"
        ) from error
    if len(content) < 4 or content[:2] != b"\0\0":
        refuse_other_file(path, DataError, "an IDX file", GZIP)
        raise DataError(
            f"{path} is not an IDX file: it starts with {content[:4].hex() or 'nothing'}"
        )
    kind, dimensions = content[2], content[3]
    if kind != _UINT8:
        raise DataError(f"{path}: wanted IDX type 0x08 (unsigned bytes), got 0x{kind:02x}")
    start = 4 + 4 * dimensions
    shape = (
        tuple(int(size) for size in np.frombuffer(content[4:start], ">u4", count=-1))
        if len(content) >= start
        else ()
    )
    if len(shape) != dimensions or len(content) - start != int(np.prod(shape, dtype=object)):
        raise DataError(
            f"{path} is truncated or damaged: header says {shape}, {len(content)} bytes are there",
            remedy="fetch the data set again",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
