"""What the user chooses about a simulation."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import ConfigError
from bnnedge.options import check_bounds, option

MOST_IMAGES = 1_000_000
_MOST_TRACE_IMAGES = 1000


def _runs(stall: float) -> tuple[float, ...]:
    """A run without stalls, and one with them."""
    return (0.0, stall) if stall else (0.0,)


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """How much is simulated, and how roughly the streams are treated.

    Attributes:
        images: how many; of given inputs the first ones. None: all given inputs, or 256 generated.
        stalls: every image is simulated once for each of these probabilities that the input, and
            the output, is held up in a cycle. Figures of speed come from the first run without.
            Unless all are 0, some images go through each of `PATTERNS`, too, which hold up the
            streams between kernels as well.
        seed: of the generated images, the stalls and the registers' values before reset.
        trace_images: images of an extra run that is recorded as `trace.fst`; 0: none.
    """

    images: int | None = option(
        None, help="Simulate the first so many.", least=1, most=MOST_IMAGES, section="simulation"
    )
    stalls: tuple[float, ...] = option(
        (0.0, 0.3),
        help="Stalls at the ends in the second run; 0: only a run without, and no stall patterns.",
        given=(float, 0.3),
        made=_runs,
        section="simulation",
    )
    seed: int = option(0, help="Of generated inputs and stalls.", section="simulation")
    trace_images: int = 0

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.stalls or not all(0 <= stall < 1 for stall in self.stalls):
            raise ConfigError(f"stalls: wanted probabilities in [0, 1), got {list(self.stalls)}")
        if self.seed < 0:
            raise ConfigError(f"seed: wanted a number >= 0, got {self.seed}")
        if not 0 <= self.trace_images <= _MOST_TRACE_IMAGES:
            raise ConfigError(
                f"trace_images: wanted 0 to {_MOST_TRACE_IMAGES}, got {self.trace_images}"
            )

    def traced(self, images: int) -> "SimulationConfig":
        """The same with so many images recorded."""
        return dataclasses.replace(self, trace_images=images)


@dataclass(frozen=True, kw_only=True)
class Waves:
    """Where the waves of the first images are written to, as an FST file."""

    trace: Path | None = option(None, help="Write the waves of a few images as FST.")
