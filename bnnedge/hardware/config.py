"""What the user chooses about the hardware of one network."""

from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import FoldingError

_LEAST_CLOCK_MHZ = 0.001
_MOST_CLOCK_MHZ = 10_000.0


@dataclass(frozen=True, kw_only=True)
class RtlConfig:
    """How much hardware is spent: a throughput target or a folding, never both; and on FIFOs.

    With neither, `target_fps` is 100,000 images/s, or what 1,024 synapses at a time can do.

    Attributes:
        target_fps: images/s in the steady state at `clock_mhz`.
        folding: JSON file {"<node>": {"PE": p, "SIMD": s}}, every layer named.
        clock_mhz: clock for which `target_fps` is meant.
        fifo_depths: JSON file {"<FIFO>": words}, as `bnnedge fifos` writes it; FIFOs that it does
            not name, or all without it, hold what windows ahead of a join ask for.
    """

    target_fps: float | None = None
    folding: Path | None = None
    clock_mhz: float = 100.0
    fifo_depths: Path | None = None

    def __post_init__(self) -> None:
        if self.target_fps is not None and self.folding is not None:
            raise FoldingError(
                "folding: wanted target_fps or a folding file, got both", remedy="drop one"
            )
        if not _LEAST_CLOCK_MHZ <= self.clock_mhz <= _MOST_CLOCK_MHZ:
            raise FoldingError(
                f"clock_mhz: wanted {_LEAST_CLOCK_MHZ:g} to {_MOST_CLOCK_MHZ:,g} MHz,"
                f" got {self.clock_mhz:g}"
            )
        if self.target_fps is not None and not 0 < self.target_fps < float("inf"):
            raise FoldingError(f"target_fps: wanted a positive number, got {self.target_fps:g}")
