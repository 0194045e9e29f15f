"""Rows of results, and contenders that take turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured figure.

    Attributes:
        case: what was done.
        engine: what did it.
        value: the figure.
        unit: its unit.
        ratio: the figure, or its inverse where less is better, to that of `peer`.
        peer: what it is compared with.
    """

    case: str
    engine: str
    value: float
    unit: str
    ratio: float | None = None
    peer: str = ""


def take_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each call; every round makes each of them once, after one for warmth."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
