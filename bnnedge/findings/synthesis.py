"""Where a design goes and what it takes there."""

from dataclasses import dataclass

from bnnedge.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Board:
    """Where the design goes.

    Attributes:
        name: e.g. "ULX3S-85F".
        device: e.g. "LFE5U-85F".
        clock_mhz: the clock that the bitstream runs the accelerator at.
        fmax_mhz: the highest clock that place and route found.
        link: how images reach it, e.g. "UART, 3 Mbaud".
        link_images_per_second: what that link can carry.
    """

    name: str
    device: str
    clock_mhz: float | None = None
    fmax_mhz: float | None = None
    link: str | None = None
    link_images_per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class ResourceUse:
    """A kind of cell on the device, e.g. LUT4, FF, BRAM36.

    Attributes:
        name: what it is called.
        used: by the design.
        available: where it is known.
        predicted: before synthesis, where there is a model.
    """

    name: str
    used: int | float
    available: int | None = None
    predicted: int | None = None


@dataclass(frozen=True, kw_only=True)
class LayerResources:
    """What one layer takes; `used` follows the order of the synthesis' `totals`."""

    layer: str
    used: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Hold:
    """The least hold margin of a clock.

    Attributes:
        margin_ps: where it is negative, a register may take the value that comes next.
        path_from: output of the register at the start of that path, cell/port.
        path_to: input of the one at its end.
        checked: inputs of registers that a path of this clock leads to.
    """

    margin_ps: float
    path_from: str
    path_to: str
    checked: int


@dataclass(frozen=True, kw_only=True)
class ClockDomain:
    """One clock after place and route.

    Attributes:
        name: of its net, as the tool calls it.
        wanted_mhz: that it has to run at.
        reached_mhz: that setup times allow.
        hold: its least hold margin, where that is known.
    """

    name: str
    wanted_mhz: float
    reached_mhz: float
    hold: Hold | None = None

    @property
    def line(self) -> str:
        """What people are told."""
        clock = (
            f"clock {self.name}: wanted {self.wanted_mhz:g} MHz, reached {self.reached_mhz:g} MHz"
        )
        if self.hold is None:
            return clock
        ends = f"from {self.hold.path_from} to {self.hold.path_to}"
        return f"{clock}, least hold margin {self.hold.margin_ps:g} ps {ends}"


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """One synthesis result.

    Attributes:
        target: board or device.
        tool: how the figures were made, e.g. "Vivado, placed and routed".
        totals: of the whole design.
        estimate: before place and route, so an estimate.
        fmax_mhz: after place and route.
        clocks: after place and route, where each is known.
        layers: per-layer counts, where known.
    """

    target: str
    tool: str
    totals: tuple[ResourceUse, ...]
    estimate: bool = False
    fmax_mhz: float | None = None
    clocks: tuple[ClockDomain, ...] = ()
    layers: tuple[LayerResources, ...] = ()

    def __post_init__(self) -> None:
        for layer in self.layers:
            if len(layer.used) != len(self.totals):
                raise ConfigError(
                    f"report synthesis {self.target}: layer {layer.layer} needs "
                    f"{len(self.totals)} counts, got {len(layer.used)}"
                )
