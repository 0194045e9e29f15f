"""What the user chooses about the HLS C++ of one network."""

import re
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import ConfigError, named
from bnnedge.options import check_bounds, option

_MOST_IMAGES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class HlsConfig:
    """For which device it is synthesised, and whether it is compiled and run here.

    Attributes:
        part: of AMD, as Vitis HLS calls it.
        clock_mhz: clock that Vitis HLS schedules for.
        check: compile it with g++, run it and compare it with the Dataflow.
        images: test vectors, random and adversarial ones.
        ap_types: folder that holds `ap_int.h` and `hls_stream.h`; None: those of an installed
            Vitis HLS, or of the package hls4ml.
    """

    part: str = option("xc7z020clg400-1", help="For which to synthesise.")
    clock_mhz: float = option(100.0, help="At which.", least=1.0, most=10_000.0, unit="MHz")
    check: bool = option(False, help="Compile with g++, run, compare with the Dataflow.")
    images: int = option(16, help="Test vectors to write.", least=1, most=_MOST_IMAGES)
    ap_types: Path | None = option(None, help="Where ap_int.h is; else XILINX_HLS, or hls4ml's.")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", self.part):
            raise ConfigError(f"part: wanted a name such as xc7z020clg400-1, got {self.part!r}")
        check_bounds(self)
        if self.ap_types is not None and not self.check:
            raise ConfigError(
                "ap_types: only a check needs them", remedy=f"add {named('check', True)}"
            )
