"""How roughly a simulation treats streams: who is held up, how much, and for how long at a time."""

import math
from dataclasses import dataclass

from bnnedge.errors import SimulationError


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Pauses of a stream and the time between them, both of random length (geometric).

    Attributes:
        share: of the cycles that are in a pause, in [0, 1).
        pause_cycles: mean length of a pause. No pause is shorter in the mean than where each cycle
            is drawn for itself, as it is for 0.
        pause_images: what comes on top, in units of an image's interval.
    """

    share: float = 0.0
    pause_cycles: float = 0.0
    pause_images: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1 or min(self.pause_cycles, self.pause_images) < 0:
            raise SimulationError(f"wanted a share in [0, 1) and pauses >= 0, got {self}")

    def mean_cycles(self, image_cycles: int) -> float:
        """Mean clock cycles of a pause, where an image takes `image_cycles`."""
        return max(1 / (1 - self.share), self.pause_cycles + self.pause_images * image_cycles)

    def chances(self, image_cycles: int) -> tuple[float, float]:
        """Probability per cycle that a pause begins, and that one goes on."""
        mean = self.mean_cycles(image_cycles)
        return self.share / (1 - self.share) / mean, 1 - 1 / mean


FREE = Hold()


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """One way to hold up a design; what comes out of it must not depend on it.

    Attributes:
        name: in messages and reports.
        input: how beats are withheld from the design's input.
        output: how the design's output is not taken.
        inner: how each of the streams between kernels is held up, by a gate of its own that its
            producer sees as not ready and its consumer as not valid.
        enough: share of the cycles so far. A stream between kernels that was that often blocked,
            and that often starved, is left alone; one that was not blocked that often keeps its
            next beat until it was, once results flow. 1: pauses do not depend on that.
    """

    name: str
    input: Hold = FREE
    output: Hold = FREE
    inner: Hold = FREE
    enough: float = 1.0

    @classmethod
    def at_ends(cls, probability: float, output: float | None = None) -> "Stalls":
        """Each cycle for itself: the input withheld, and the output not taken, with `probability`.

        Args:
            probability: in [0, 1).
            output: that of the output, if it is another one.
        """
        output = probability if output is None else output
        name = f"stall {probability}" + (f" and {output}" if output != probability else "")
        return cls(name=name, input=Hold(share=probability), output=Hold(share=output))

    @property
    def holds(self) -> tuple[Hold, Hold, Hold]:
        """Of the input, the output and the inner streams."""
        return self.input, self.output, self.inner

    def patience(self, image_cycles: int) -> tuple[float, int]:
        """What a watchdog must allow for: a factor on the time without stalls, and cycles on top.

        A pause of 40 times the mean length is one in 10^17.
        """
        used = [hold for hold in self.holds if hold.share]
        factor = 1 / math.prod(1 - hold.share for hold in used)
        return factor, sum(int(40 * hold.mean_cycles(image_cycles)) for hold in used)


NO_STALLS = Stalls.at_ends(0.0)
