"""Names from outside: what they may be, and what is made of them.

A network's name becomes file names and words of scripts, so it is checked at every door and then
stands for itself everywhere. Names of nodes are text for people; what is generated from them has
their `identifier`. Paths that a folder's own files name stay inside of that folder.
"""

import re
from pathlib import Path

from bnnedge.errors import BnnEdgeError

MOST_CHARACTERS = 64
CUSTOM_OPS = "bnnedge.custom_op"
"""The domain of bnnedge's own ops in ONNX files."""
_MOST_LABEL_CHARACTERS = 255
_DEFAULT_NETWORK = "network"
_SHOWN_CHARACTERS = 80
# Windows takes these for devices, with any suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)
_NETWORK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_INNER_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def check_network_name(name: str, *, what: str = "name", raises: type[BnnEdgeError]) -> None:
    """Check the name of a network or of a board.

    It is 1 to 64 letters, digits, "_", "-" and ".", with none of the last two in front.

    Raises:
        raises: it is something else, or what Windows calls a device.
    """
    if not _is_network_name(name):
        raise raises(
            f"{what}: wanted 1 to {MOST_CHARACTERS} letters (a to z), digits, _, - or ., in front a"
            f" letter, a digit or _, and no device such as CON, got {shown(name)}",
            remedy="choose another name",
        )


def network_name(text: str) -> str:
    """A network's name made of any text, for example of the name of a file."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text).lstrip(".-")[:MOST_CHARACTERS]
    if not name.strip("_"):
        return _DEFAULT_NETWORK
    return name if _is_network_name(name) else f"_{name}"[:MOST_CHARACTERS]


def trained_name(network: str, dataset: str) -> str:
    """E.g. "vgg-small" and "fashion-mnist" → "vgg_small_fashion_mnist"."""
    return f"{network}_{dataset}".replace("-", "_")


def check_label(name: str, *, what: str, raises: type[BnnEdgeError]) -> None:
    """Check a name that only people read: 1 to 255 printable characters.

    Raises:
        raises: it is something else.
    """
    if not 0 < len(name) <= _MOST_LABEL_CHARACTERS or not name.isprintable():
        raise raises(
            f"{what}: wanted 1 to {_MOST_LABEL_CHARACTERS} printable characters, got {shown(name)}"
        )


def identifier(name: str) -> str:
    """At most 64 letters, digits and "_" for any name: a part of identifiers and file names.

    Different names may give the same one, a digit or a keyword: what it is a part of has a number
    or a word in front.
    """
    return re.sub(r"\W", "_", name, flags=re.ASCII)[:MOST_CHARACTERS]


def is_identifier(name: str) -> bool:
    """Whether `name` is 1 to 255 letters, digits and "_"."""
    return 0 < len(name) <= _MOST_LABEL_CHARACTERS and not re.search(r"\W", name, re.ASCII)


def is_inner_path(name: str) -> bool:
    """Whether `name` is a plain relative path downwards, with no mark that any tool would read."""
    return len(name) <= _MOST_LABEL_CHARACTERS and bool(_INNER_PATH.fullmatch(name))


def inner_file(folder: Path, name: str, *, raises: type[BnnEdgeError]) -> Path:
    """The file that a foreign folder calls `name`.

    Raises:
        raises: the name or a link leads out of `folder`, or there is no such file.
    """
    path = folder / name
    inside = is_inner_path(name)
    if inside and not path.is_file():
        raise raises(f"{path} is missing")
    if not inside:
        raise raises(f"{folder}: wanted files inside of it, got {shown(name)}")
    check_inside(folder, path, raises=raises)
    return path


def check_inside(folder: Path, path: Path, *, raises: type[BnnEdgeError]) -> None:
    """Check a file in a foreign folder. Raises `raises` if a link makes it one outside."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise raises(f"{path}: wanted a file inside of {folder}, got a link out of it")


def printable(text: str) -> str:
    """`text` with escapes for what would move the cursor, hide or turn around what people read."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shown(text: str) -> str:
    """`text` in a message: quoted, in ASCII, not too long."""
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return ascii(short)


def _is_network_name(name: str) -> bool:
    return (
        len(name) <= MOST_CHARACTERS
        and _NETWORK.fullmatch(name) is not None
        and _DEVICES.fullmatch(name) is None
    )
