"""What a network looks like, as a recipe writes it."""

import enum
from dataclasses import dataclass

from bnnedge.errors import ConfigError

MAX_WIDTH = 65536


class Topology(enum.Enum):
    """Named network shapes; the MLPs are those of FINN (Umuroglu et al. 2017, section 4)."""

    TFC = "tfc"
    SFC = "sfc"
    LFC = "lfc"
    MLP = "mlp"


_HIDDEN = {
    Topology.TFC: (64, 64, 64),
    Topology.SFC: (256, 256, 256),
    Topology.LFC: (1024, 1024, 1024),
}


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The `[network]` section.

    Attributes:
        topology: a named shape, or "mlp" for any widths.
        hidden: neurons of each hidden layer; for "mlp" only.

    Raises:
        ConfigError: `hidden` missing, given for a named shape, or out of range.
    """

    topology: Topology
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.topology is Topology.MLP and not self.hidden:
            raise ConfigError("topology mlp wants hidden, e.g. hidden = [64, 64]")
        if self.topology is not Topology.MLP and self.hidden:
            raise ConfigError(
                f"{self.topology.value} has fixed widths, got hidden",
                remedy='remove hidden, or set topology = "mlp"',
            )
        if any(not 1 <= width <= MAX_WIDTH for width in self.hidden):
            raise ConfigError(f"hidden wants widths in 1…{MAX_WIDTH}, got {list(self.hidden)}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each hidden layer."""
        return _HIDDEN.get(self.topology, self.hidden)
