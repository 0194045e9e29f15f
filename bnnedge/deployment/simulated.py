"""A package's driver on a simulation of its device, whatever the link between them."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bnnedge.deployment.package import DEVICE_FOLDER
from bnnedge.deployment.runtime import Accelerator, Host, Manifest
from bnnedge.deployment.runtime.axi import DEFAULT_BATCH
from bnnedge.deployment.runtime.load import DRIVERS
from bnnedge.deployment.sources import simulation_sources
from bnnedge.errors import DeploymentError
from bnnedge.links import LINKS, Device
from bnnedge.links.base import SimulatedBoard
from bnnedge.names import inner_file
from bnnedge.scratch import scratch


def simulated_board(
    package: Path,
    manifest: Manifest,
    disturbed: Any = None,
    *,
    clocks_per_bit: int | None = None,
    rtl: Path | None = None,
) -> tuple[Device, SimulatedBoard]:
    """A package's device, as it is simulated, and what a driver finds of it.

    Args:
        package: folder written by `package`.
        manifest: the package's.
        disturbed: what goes wrong on the way: `LineFaults` or `AxiTraffic`.
        clocks_per_bit: another divisor of a serial line, to save time.
        rtl: see `simulation_sources`.

    Raises:
        ToolMissingError: g++ or Verilator is needed and not installed.
        SimulationError: the simulated device broke one of its own assertions.
    """
    link = LINKS[manifest.interface]
    folder, design, sources = simulation_sources(package, rtl, link)
    device = link.of(manifest).for_simulation(clocks_per_bit)
    if not device.memory_files:
        return device, device.simulated(sources, folder, design, disturbed)
    with scratch() as work:  # a model reads its memories as it is opened
        for place, names in (
            (folder, design.memories),
            (package / DEVICE_FOLDER, device.memory_files),
        ):
            for name in names:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(inner_file(place, name, raises=DeploymentError), work / name)
        return device, device.simulated(sources, work, design, disturbed)


@contextlib.contextmanager
def open_simulated(
    package: Path,
    host: Host,
    disturbed: Any = None,
    *,
    clocks_per_bit: int | None = None,
    batch_size: int = DEFAULT_BATCH,
    rtl: Path | None = None,
) -> Iterator[tuple[Accelerator, SimulatedBoard]]:
    """The driver on a simulation of the packaged device.

    Args:
        package, disturbed, clocks_per_bit, rtl: see `simulated_board`.
        host: of this package.
        batch_size: most images of a transfer.

    Raises:
        AcceleratorError: the device is not what the manifest says.
        ToolMissingError: g++ or Verilator is needed and not installed.
        SimulationError: the simulated device broke one of its own assertions.
    """
    device, board = simulated_board(
        package, host.manifest, disturbed, clocks_per_bit=clocks_per_bit, rtl=rtl
    )
    manifest = dataclasses.replace(host.manifest, **device.settings)
    used = dataclasses.replace(host, manifest=manifest)
    with contextlib.closing(board):
        on_board = DRIVERS[host.manifest.interface].on
        accelerator = on_board(
            used,
            board,
            package / host.manifest.bitstream,
            batch_size=batch_size,
            grace_s=board.grace_s,
            clock=lambda: board.seconds,
        )
        accelerator.name = "the simulated board"
        with accelerator:
            yield accelerator, board
