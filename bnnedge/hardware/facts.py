"""What is known of hardware when it has been written."""

from collections.abc import Mapping
from dataclasses import dataclass

from bnnedge.families import REFERENCE
from bnnedge.hardware.section import section
from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class KernelFacts:
    """One kernel's cycles per image and predicted cost."""

    cycles: int
    combs: int
    block_rams: int


@dataclass(frozen=True, kw_only=True)
class RtlFacts:
    """What the hardware of a network will do and take.

    Attributes:
        interval_cycles: between images.
        clock_mhz: for which it was folded.
        images_per_second: at that clock.
        combs: predicted LUT4.
        block_rams: predicted.
        kernels: each by its name.
        folding: PE and SIMD by layer, and whether it is unrolled, as a folding file has them.
    """

    interval_cycles: int
    clock_mhz: float
    images_per_second: float
    combs: int
    block_rams: int
    kernels: Mapping[str, KernelFacts]
    folding: Mapping[str, Mapping[str, int | bool]]


def _lines(facts: RtlFacts) -> list[str]:
    return [
        *(
            f"{name}: {kernel.cycles} cycles/image, {kernel.combs} LUT4,"
            f" {kernel.block_rams} block RAM"
            for name, kernel in facts.kernels.items()
        ),
        f"predicted: {facts.interval_cycles} cycles/image,"
        f" {facts.images_per_second:,.0f} images/s at {facts.clock_mhz:g} MHz;"
        f" on {REFERENCE.title} {facts.combs:,} LUT4, {facts.block_rams} block RAM",
    ]


RTL = Stage(
    kind="rtl",
    facts=RtlFacts,
    rooms=("hardware",),
    section=section,
    lines=_lines,
    shown=("sv/bnnedge_core.sv",),
)
