"""A package's accelerator, whatever its board."""

from __future__ import annotations

from pathlib import Path

from .accelerator import Accelerator
from .axi import DEFAULT_BATCH, AxiManifest
from .errors import DeviceError
from .host import Host
from .overlay import open_pynq
from .uart import open_serial


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
    if isinstance(host.manifest, AxiManifest):
        if port is not None:
            raise DeviceError(
                f"{folder} is for {host.manifest.board}, which runs it without a serial port:"
                " copy the package there and run driver/validate.py"
            )
        return open_pynq(host, folder, bitfile=bitfile, batch_size=batch_size)
    if port is None:
        raise DeviceError(
            f"{folder} is for {host.manifest.board}: name its serial port, e.g. --port /dev/ttyUSB0"
        )
    return open_serial(host, port)
