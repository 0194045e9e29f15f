"""A package's accelerator, whatever its board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .accelerator import Accelerator
from .axi import DEFAULT_BATCH, AxiAccelerator, AxiManifest
from .host import Host
from .overlay import open_pynq
from .uart import SerialManifest, on_port, open_serial


@dataclass(frozen=True)
class Driver:
    """How a board is opened: `open` finds it by itself, `on` is given what stands for it."""

    open: Callable[..., Accelerator]
    on: Callable[..., Accelerator]


DRIVERS = {
    SerialManifest.interface: Driver(open=open_serial, on=on_port),
    AxiManifest.interface: Driver(open=open_pynq, on=AxiAccelerator),
}
"""By the link that a manifest names."""


def load(
    package: str | Path | None = None,
    *,
    port: str | None = None,
    bitfile: str | Path | None = None,
    batch_size: int = DEFAULT_BATCH,
) -> Accelerator:
    """Open the packaged network on its board.

    Args:
        package: the package folder; default: the one that this driver is in.
        port: where a board on a serial line is, e.g. "/dev/ttyUSB0" or "COM3".
        bitfile: on a PYNQ board, another bitstream than the packaged one, its .hwh beside it. It
            is loaded as it is; the packaged one only if its sha256 is the manifest's.
        batch_size: on a PYNQ board, most images of a transfer.

    Returns:
        An `AxiAccelerator` for a PYNQ board, a `SerialAccelerator` for others.

    Raises:
        PackageError: the package is damaged or incomplete.
        DeviceError: the board does not answer, is not the packaged network, or cannot be opened
            in this way.
    """
    folder = Path(package) if package is not None else Path(__file__).resolve().parent.parent
    host = Host.load(folder)
    return DRIVERS[host.manifest.interface].open(
        host, folder, port=port, bitfile=bitfile, batch_size=batch_size
    )
