"""Kinds of files of which each is an input."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.extras import Extra, require
from bnnedge.reading import PicturesReading, RecordingsReading


@dataclass(frozen=True, kw_only=True, eq=False)
class FileKind:
    """A kind of files.

    Attributes:
        reading: how they are read.
        suffixes: that they have, in lower case.
        read: makes an input of one; uint8 of `reading.shape`.
    """

    reading: PicturesReading | RecordingsReading
    suffixes: tuple[str, ...]
    read: Callable[[Path], NDArray[np.uint8]]

    @property
    def bytes_each(self) -> int:
        """Of an input."""
        return int(np.prod(self.reading.shape))


def kind_of(reading: PicturesReading | RecordingsReading) -> FileKind:
    """The kind of files that are read so.

    Raises:
        ExtraMissingError: what reads them is not installed.
    """
    require("reading pictures and recordings", Extra.DATA)
    if isinstance(reading, PicturesReading):
        from bnnedge.data.pictures import SUFFIXES, read_picture

        return FileKind(
            reading=reading, suffixes=SUFFIXES, read=partial(read_picture, config=reading)
        )
    from bnnedge.data.recordings import RECORDINGS, read_recording

    return FileKind(
        reading=reading, suffixes=RECORDINGS, read=partial(read_recording, reading=reading)
    )
