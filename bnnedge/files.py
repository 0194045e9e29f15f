"""Reading small files that others wrote: bounded in bytes, time and depth, and refused in one line.

What is opened is a regular file: a device, a pipe or a folder would give no end, or none in time.
"""

import functools
import json
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from bnnedge.errors import BnnEdgeError, ConfigError
from bnnedge.filekinds import TEXT, refuse_other_file

MOST_JSON_BYTES = 2**24
MOST_TOML_BYTES = 2**17
_MOST_LEVELS = 64
_MOST_LINE = 4096
_MOST_DIGITS = 20  # a 64-bit integer has no more


def open_file(path: Path, *, raises: type[BnnEdgeError] = ConfigError) -> BufferedReader:
    """A regular file, or a link to one, opened for reading.

    Raises:
        raises: it is missing, not permitted, or no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # FIFOs block else
    except OSError as error:
        raise raises(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise raises(f"cannot read {str(path)!r}: {error}") from error
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        os.close(descriptor)
        got = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise raises(f"cannot read {path}: wanted a file, got {got}")
    return os.fdopen(descriptor, "rb")


def is_file(path: Path) -> bool:
    """Whether that is a file; what cannot be looked at is none."""
    try:
        return path.is_file()
    except OSError:  # a folder without permission, a name too long
        return False


def read_bytes_bounded(
    path: Path, most_bytes: int, *, raises: type[BnnEdgeError] = ConfigError
) -> bytes:
    """The content of a file of at most `most_bytes`.

    Raises:
        raises: it is larger, or not readable; see `open_file`.
    """
    with open_file(path, raises=raises) as source:
        try:
            # As much is allocated as is asked for; files of the system say that they have 0 bytes.
            size = max(os.fstat(source.fileno()).st_size, 1 << 16)
            content = source.read(min(most_bytes, size) + 1) or b""
        except OSError as error:
            raise raises(f"cannot read {path}: {error.strerror}") from error
    if len(content) > most_bytes:
        raise raises(f"cannot read {path}: wanted at most {most_bytes:,} bytes, got more")
    return content


def read_text_bounded(
    path: Path, most_bytes: int, *, raises: type[BnnEdgeError] = ConfigError
) -> str:
    """The same as text in UTF-8, without a byte order mark. Raises `raises`."""
    try:
        return read_bytes_bounded(path, most_bytes, raises=raises).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse_other_file(path, raises, TEXT)
        raise raises(f"cannot read {path}: it is not text in UTF-8 (byte {error.start})") from error


def located(path: Path, folder: Path) -> Path:
    """A path that a file in `folder` names: relative to it, with `~` for a user's home."""
    try:
        return folder / path.expanduser()
    except RuntimeError:  # no such user
        return folder / path


def load_json(
    path: Path, *, most_bytes: int = MOST_JSON_BYTES, raises: type[BnnEdgeError] = ConfigError
) -> Any:
    """The value in a JSON file: finite numbers, integers of at most 64 bits, no key given twice.

    Raises:
        raises: not readable, too large, nested too deeply, or not JSON.
    """
    text = read_text_bounded(path, most_bytes, raises=raises)
    parse = functools.partial(
        json.loads,
        parse_int=_integer,
        parse_float=_finite,
        parse_constant=_finite,
        object_pairs_hook=_distinct,
    )
    return _parsed(text, parse, "JSON", path, raises)


def read_toml(path: Path, *, raises: type[BnnEdgeError] = ConfigError) -> dict[str, Any]:
    """The table in a TOML file.

    Raises:
        raises: not readable, too large, nested too deeply, or not TOML.
    """
    text = read_text_bounded(path, MOST_TOML_BYTES, raises=raises)
    # tomllib's time grows with the square of a dotted key's length.
    if any(len(line) > _MOST_LINE for line in text.split("\n")):
        raise raises(f"cannot read {path}: it has a line of more than {_MOST_LINE:,} characters")
    table: dict[str, Any] = _parsed(text, tomllib.loads, "TOML", path, raises)
    return table


def _parsed(
    text: str, parse: Callable[[str], Any], what: str, path: Path, raises: type[BnnEdgeError]
) -> Any:
    try:
        value = parse(text)
    except RecursionError as error:
        raise _too_deep(path, raises) from error
    except ValueError as error:
        refuse_other_file(path, raises, TEXT)
        raise raises(f"cannot read {path}: it is not {what}: {error}") from error
    _check_depth(value, path, raises)
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite, or no number
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in table if keys.count(key) > 1)
        raise ValueError(f"key {twice[:80]!r} is given twice")
    return table


def _check_depth(value: Any, path: Path, raises: type[BnnEdgeError]) -> None:
    level: list[Any] = [[value]]
    for _ in range(_MOST_LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep(path, raises)


def _too_deep(path: Path, raises: type[BnnEdgeError]) -> BnnEdgeError:
    return raises(f"cannot read {path}: it is nested deeper than {_MOST_LEVELS} levels")
