"""What the user chooses about the HLS C++ of one network."""

import re
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import ConfigError

_MOST_CLOCK_MHZ = 10_000.0


@dataclass(frozen=True, kw_only=True)
class HlsConfig:
    """For which device it is synthesised, and whether it is compiled and run here.

    Attributes:
        part: of AMD, as Vitis HLS calls it.
        clock_mhz: clock that Vitis HLS schedules for.
        check: compile it with g++, run it and compare it with the Dataflow.
        ap_types: folder that holds `ap_int.h` and `hls_stream.h`; None: those of an installed
            Vitis HLS, or of the package hls4ml.
    """

    part: str = "xc7z020clg400-1"
    clock_mhz: float = 100.0
    check: bool = False
    ap_types: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", self.part):
            raise ConfigError(f"part: wanted a name such as xc7z020clg400-1, got {self.part!r}")
        if not 1 <= self.clock_mhz <= _MOST_CLOCK_MHZ:
            raise ConfigError(
                f"clock_mhz: wanted 1 to {_MOST_CLOCK_MHZ:,g} MHz, got {self.clock_mhz:g}"
            )
        if self.ap_types is not None and not self.check:
            raise ConfigError("ap_types: only a check needs them", remedy="add --check")
