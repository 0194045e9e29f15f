"""What the user chooses about running a package."""

from dataclasses import dataclass

from bnnedge.errors import ConfigError, named
from bnnedge.options import option


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """Where the examples of a package are run, and how many.

    Attributes:
        port: serial port of a connected board; None: the device is simulated.
        program: write the bitstream to the board first (volatile), with openFPGALoader.
        images: at most this many examples; None: all.

    Raises:
        ConfigError: there is no board to be programmed.
    """

    port: str | None = option(None, help="Against a board at this serial port, e.g. /dev/ttyUSB0.")
    program: bool = option(False, help="Write the bitstream first (openFPGALoader).")
    images: int | None = option(None, help="Only the first so many examples.")

    def __post_init__(self) -> None:
        if self.program and self.port is None:
            raise ConfigError(f"{named('program', True)} needs {named('port')}")
