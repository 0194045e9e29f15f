"""What the user chooses about the hardware of one network."""

from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import FoldingError, named
from bnnedge.options import check_bounds, option


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

    target_fps: float | None = option(
        None, help="Images/s to fold for; else at most 100,000.", section="hardware"
    )
    folding: Path | None = option(
        None, help='JSON: {"<node>": {"PE": p, "SIMD": s}, …}.', section="hardware"
    )
    clock_mhz: float = option(
        100.0,
        help="For which --target-fps is meant.",
        least=0.001,
        most=10_000.0,
        unit="MHz",
        section="hardware",
    )
    fifo_depths: Path | None = option(None, help="The fifos.json that `bnnedge fifos` wrote.")

    def __post_init__(self) -> None:
        if self.target_fps is not None and self.folding is not None:
            raise FoldingError(
                "folding: wanted target_fps or a folding file, got both", remedy="drop one"
            )
        check_bounds(self, FoldingError)
        if self.target_fps is not None and not 0 < self.target_fps < float("inf"):
            raise FoldingError(
                f"{named('target_fps')}: wanted a positive number, got {self.target_fps:g}"
            )
