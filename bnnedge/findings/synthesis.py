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
class Synthesis:
    """One synthesis result.

    Attributes:
        target: board or device.
        tool: how the figures were made, e.g. "Vivado, placed and routed".
        totals: of the whole design.
        estimate: before place and route, so an estimate.
        fmax_mhz: after place and route.
        layers: per-layer counts, where known.
    """

    target: str
    tool: str
    totals: tuple[ResourceUse, ...]
    estimate: bool = False
    fmax_mhz: float | None = None
    layers: tuple[LayerResources, ...] = ()

    def __post_init__(self) -> None:
        for layer in self.layers:
            if len(layer.used) != len(self.totals):
                raise ConfigError(
                    f"report synthesis {self.target}: layer {layer.layer} needs "
                    f"{len(self.totals)} counts, got {len(layer.used)}"
                )
