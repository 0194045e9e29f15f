"""A kind of file, and what damages it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import mutations as how
from tests.fuzz.mutations import BYTES, Mutation


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of the kind.
        make: writes a folder that holds one.
        files: patterns of the files in it that are damaged.
        mutations: how, each as likely as the others.
        read: what takes the folder; the answer is what it said of it.
        share: how often this kind is taken, relative to others.
        exact: a changed file must be refused: what is accepted is the whole one.
        command: the command line that takes the folder, "{}", where there is one.
    """

    name: str
    make: Callable[[Path], None]
    files: Sequence[str]
    mutations: Sequence[Mutation]
    read: Callable[[Path], None]
    share: int = 1
    exact: bool = False
    command: Sequence[str] = ()


def or_bytes(member: Mutation) -> tuple[Mutation, ...]:
    """One that knows the format half of the time, else one of bytes."""
    return (member,) * len(BYTES) + BYTES


TOML = or_bytes(how.change_toml)
NPY = or_bytes(how.change_npy)
JSON = or_bytes(how.change_json)
NPZ = or_bytes(how.change_npz)
