"""The stall patterns of a simulation, and what they must do to every stream between kernels.

Stalls at the two ends alone do not reach the inside of a folded network: its slowest kernel sets
the pace, and the ends have nothing to do for most of an interval. So long pauses last as long as
images take, and streams between kernels have gates of their own.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from bnnedge.design import Design
from bnnedge.errors import SimulationError, named
from bnnedge.verilated.stalls import Hold, Stalls
from bnnedge.verilated.stream import StreamActivity

_LEAST_IMAGES = 8
_ENOUGH_CYCLES = 20_000
_WANTED_SHARE = 0.05

PATTERNS = (
    # A consumer slower than the network, which fills every buffer from the end, and a producer with
    # gaps, which empties them from the start.
    Stalls(
        name="slow ends",
        input=Hold(share=0.5, pause_images=0.5),
        output=Hold(share=0.8, pause_images=1.5),
    ),
    # Every stream, every cycle.
    Stalls(
        name="ragged streams",
        input=Hold(share=0.5),
        output=Hold(share=0.5),
        inner=Hold(share=0.5),
    ),
    Stalls(
        name="bursts",
        input=Hold(share=0.5, pause_cycles=8),
        output=Hold(share=0.5, pause_cycles=8),
        inner=Hold(share=0.25, pause_cycles=8),
    ),
    # Long enough for a stream with one beat an image, and none where there was enough already: in
    # a row of kernels the pauses would multiply.
    Stalls(name="pauses", inner=Hold(share=0.75, pause_images=0.1), enough=0.1),
)

# Where those were not enough: for a stream whose consumer takes a beat an image and is busy with it
# for the rest of the interval. A shorter pause is over before it looks again.
LONG_PAUSES = Stalls(name="long pauses", inner=Hold(share=0.75, pause_images=1.5), enough=0.1)


@dataclass(frozen=True, kw_only=True)
class StreamPressure:
    """The hardest that an internal stream was treated in one run.

    Attributes:
        name: of the stream.
        blocked: share of the cycles in which it was valid and not ready; the greatest of all runs.
        blocked_at: name of that run.
        starved: share of the cycles in which it was ready and not valid; the greatest of all runs.
        starved_at: name of that run.
    """

    name: str
    blocked: float
    blocked_at: str
    starved: float
    starved_at: str


class Watched(Protocol):
    """A run and what its internal streams did."""

    @property
    def name(self) -> str:
        """Of the run's stalls."""

    @property
    def activity(self) -> Sequence[StreamActivity]:
        """Of every stream, in the design's order."""


def pattern_images(design: Design, images: int) -> int:
    """How many of so many images a pattern takes.

    As many as there are in the network at once, at least, and of a fast network as many as take
    some time.
    """
    busy = sum(layer.cycles_per_image for layer in design.layers)
    least = max(_LEAST_IMAGES, math.ceil(busy / design.interval_cycles))
    return max(least, min(images, _ENOUGH_CYCLES // design.interval_cycles))


def pressures(runs: Sequence[Watched], rigid: Collection[str] = ()) -> tuple[StreamPressure, ...]:
    """Of every internal stream that can be held up, over all runs; the `rigid` ones cannot."""
    found = []
    for same in zip(*(run.activity for run in runs), strict=True):
        if same[0].name in rigid:
            continue
        shares = [
            (stream.stalled_cycles / cycles, stream.starved_cycles / cycles, run.name)
            for run, stream in zip(runs, same, strict=True)
            if (cycles := stream.cycles)
        ]
        blocked, _, blocked_at = max(shares, key=lambda share: share[0])
        _, starved, starved_at = max(shares, key=lambda share: share[1])
        found.append(
            StreamPressure(
                name=same[0].name,
                blocked=blocked,
                blocked_at=blocked_at,
                starved=starved,
                starved_at=starved_at,
            )
        )
    return tuple(found)


def too_lenient(streams: Sequence[StreamPressure]) -> bool:
    """Whether a stream was too rarely blocked, or starved."""
    return any(min(stream.blocked, stream.starved) < _WANTED_SHARE for stream in streams)


def check_pressures(network: str, streams: Sequence[StreamPressure]) -> None:
    """Raises SimulationError, with its name, if a stream was too rarely blocked, or starved."""
    for stream in streams:
        for what, share, run in (
            ("blocked", stream.blocked, stream.blocked_at),
            ("starved", stream.starved, stream.starved_at),
        ):
            if share < _WANTED_SHARE:
                raise SimulationError(
                    f"{network}: stream {stream.name}: wanted it {what} in"
                    f" {_WANTED_SHARE:.0%} of the cycles of some run, got {share:.1%}, at {run}",
                    remedy=f"simulate with another {named('seed')}",
                )
