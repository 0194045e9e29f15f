"""Obstacles that are told together: what to change is known after one try."""

from collections.abc import Iterator
from contextlib import contextmanager

from bnnedge.errors import LoweringError

_MOST = 10


class Gather:
    """Errors of things that can be looked at one by one."""

    def __init__(self) -> None:
        self._found: dict[str, LoweringError] = {}

    @contextmanager
    def each(self) -> Iterator[None]:
        """Around the look at one thing."""
        try:
            yield
        except LoweringError as error:
            self._found.setdefault(str(error), error)

    def tell(self) -> None:
        """Say what was found.

        Raises:
            LoweringError: the only error; or one that says all of them, the first `_MOST` in full.
        """
        if not self._found:
            return
        texts = list(self._found)
        if len(texts) == 1:
            raise self._found[texts[0]]
        more = f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
        raise LoweringError(f"{len(texts)} obstacles: {'; '.join(texts[:_MOST])}{more}")
