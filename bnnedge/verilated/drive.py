"""How a module between streams is driven."""

from dataclasses import dataclass

from bnnedge.verilated.stalls import NO_STALLS, Stalls


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Input at a given rate.

    Attributes:
        image_beats: input beats of an image.
        interval_cycles: clock cycles from the first beat of an image to that of the next one, at
            least; an image's beats are spread evenly over them, as far as they are taken in time.
    """

    image_beats: int
    interval_cycles: int


@dataclass(frozen=True, kw_only=True)
class Drive:
    """How a module is driven.

    Attributes:
        stalls: how the streams are held up.
        image_cycles: clock cycles of an image, the unit of long stalls.
        watchdog_cycles: cycles without any handshake on either end after which the module, were
            nothing held up, counts as stuck; what the stalls may take comes on top, and a paced
            input's interval.
        pace: of every input; None: as fast as beats are taken.
        more: beats beyond those expected are taken, and are a fault; else a run ends with the last
            one that is expected.
    """

    stalls: Stalls = NO_STALLS
    image_cycles: int = 1
    watchdog_cycles: int = 10_000
    pace: Pace | None = None
    more: bool = True

    @property
    def patience_cycles(self) -> int:
        """What the watchdog allows for in all."""
        factor, on_top = self.stalls.patience(self.image_cycles)
        interval = self.pace.interval_cycles if self.pace else 0
        return int(self.watchdog_cycles * factor) + on_top + interval
