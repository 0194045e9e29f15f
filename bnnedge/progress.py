"""How work that takes its time tells what it is doing: one kind of function for every stage."""

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Called with what is being done and, where it is known, the share of all that is done."""

    def __call__(self, what: str, share: float | None = None, /) -> None: ...


def silent(what: str, share: float | None = None, /) -> None:
    """The progress of nobody watching."""


def named(progress: Progress, who: str) -> Progress:
    """The progress of a helper: `who` in front of what it does, in the same share."""

    def tell(what: str, share: float | None = None, /) -> None:
        progress(f"{who}{what}", share)

    return tell


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """The progress of a part that takes the share of the whole from `start` to `end`."""

    def tell(what: str, share: float | None = None, /) -> None:
        progress(what, start + (end - start) * (share or 0.0))

    return tell


def counting(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Called with how many are done of how many, tells that, e.g. "3 of 9 images"."""
    return lambda done, total: progress(f"{done} of {total} {what}", done / total)
