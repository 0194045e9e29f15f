"""A package's accelerator, whatever its board."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .accelerator import Accelerator
from .axi import DEFAULT_BATCH, AxiAccelerator
from .errors import DeviceError, PackageError
from .host import Host
from .manifest import MANIFEST_FILE, AxiManifest
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
        return _open_pynq(host, folder, bitfile=bitfile, batch_size=batch_size)
    if port is None:
        raise DeviceError(
            f"{folder} is for {host.manifest.board}: name its serial port, e.g. --port /dev/ttyUSB0"
        )
    return open_serial(host, port)


def _open_pynq(
    host: Host, package: Path, *, bitfile: str | Path | None, batch_size: int
) -> AxiAccelerator:
    """Load a package's bitstream with PYNQ, on the board itself.

    Args:
        host: of a package for such a board.
        package: its folder.
        bitfile: another bitstream than the packaged one, loaded as it is.
        batch_size: most images of a transfer.

    Raises:
        PackageError: there is no bitstream or no .hwh, or not the packaged one.
        DeviceError: PYNQ is not installed, or the bitstream is not the packaged network's.
    """
    manifest = host.manifest
    assert isinstance(manifest, AxiManifest)
    path = Path(bitfile) if bitfile is not None else package / manifest.bitstream
    for needed in (path, path.with_suffix(".hwh")):
        if not needed.is_file():
            raise PackageError(
                f"{needed} is missing; Vivado makes it: copy .bit and .hwh, of one name, there"
            )
    contents = None if bitfile is not None else _packaged_bitstream(manifest, package)
    try:
        import pynq
    except (ImportError, OSError) as error:
        raise DeviceError(
            f"pynq is not installed ({error}); run this on the board, in PYNQ's own Python"
        ) from error
    if contents is None:
        return AxiAccelerator(host, pynq, path, batch_size=batch_size)
    # What was checked is what is loaded, though the package changes meanwhile.
    with tempfile.TemporaryDirectory(prefix="bnnedge-") as private:
        copy = Path(private) / path.name
        try:
            for suffix, data in contents.items():
                copy.with_suffix(suffix).write_bytes(data)
        except OSError as error:
            raise PackageError(f"cannot copy {path} to {private}: {error.strerror}") from error
        return AxiAccelerator(host, pynq, copy, batch_size=batch_size)


def _packaged_bitstream(manifest: AxiManifest, package: Path) -> dict[str, bytes]:
    """Bitstream and handoff by suffix. Raises PackageError: they are not the packaged ones."""
    names = {".bit": manifest.bitstream, ".hwh": manifest.handoff}
    for name in names.values():
        if name not in manifest.files:
            raise PackageError(
                f"{package / name} is not listed in {MANIFEST_FILE}, which was written without it:"
                " run bnnedge package again with it in the synthesis folder, or vouch for it"
                " yourself and name it (--bitfile, or bitfile=)"
            )
    return {suffix: manifest.read_file(package, name) for suffix, name in names.items()}
