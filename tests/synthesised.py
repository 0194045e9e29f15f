"""What a synthesis found, made up."""

from typing import Any

from bnnedge.synthesis.facts import SynthesisFacts


def synthesis_facts(**said: Any) -> SynthesisFacts:
    """Of a ULX3S, with what is said beside."""
    given: dict[str, Any] = {"images_per_second": {}, "resources": {}, "seconds": {}, **said}
    return SynthesisFacts(
        board="ulx3s-85f",
        family="ecp5",
        fpga="LFE5U-85F",
        estimate=False,
        device={"clock_hz": 50_000_000},
        link="UART",
        **given,
    )
