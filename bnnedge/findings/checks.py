"""What was compared, and how it ended."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run here"


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first place where two sides differ.

    Attributes:
        node: of the graph, or the stream.
        expected: value of the left side.
        got: value of the right side.
        channel: index within the node's output, where it has one.
        image: index within the images compared.
    """

    node: str
    expected: str
    got: str
    channel: int | None = None
    image: int | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One equality, left == right.

    Attributes:
        left: the side taken as the truth, e.g. "PyTorch".
        right: the side compared with it, e.g. "RTL".
        compared: what was compared, e.g. "accumulators (int64)".
        verdict: how it ended.
        images: images compared.
        values: values compared.
        stalls: how the hardware's streams were held up: a probability per cycle on both of its
            sides, or the name of a pattern.
        mismatch: the first difference of a failed check.
        reason: why it was not run, or a note.
    """

    left: str
    right: str
    compared: str
    verdict: Verdict
    images: int | None = None
    values: int | None = None
    stalls: str | None = None
    mismatch: Mismatch | None = None
    reason: str | None = None

    @property
    def line(self) -> str:
        """What people are told of one that passed."""
        count = f"{self.images} images" if self.images else f"{self.values} values"
        stalls = "" if self.stalls is None else f", stalls {self.stalls}"
        return f"{self.left} == {self.right}: {count}{stalls}"


def equal(left: str, right: str, compared: str, **counts: Any) -> Check:
    """A check that passed; for `counts` see `Check`."""
    return Check(left=left, right=right, compared=compared, verdict=Verdict.PASSED, **counts)
