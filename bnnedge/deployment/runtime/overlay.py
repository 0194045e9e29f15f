"""A package's bitstream on the PYNQ board that this runs on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .axi import AxiAccelerator, AxiManifest
from .errors import DeviceError, PackageError
from .host import Host
from .manifest import MANIFEST_FILE


def open_pynq(
    host: Host, package: Path, *, port: str | None, bitfile: str | Path | None, batch_size: int
) -> AxiAccelerator:
    """Load a package's bitstream with PYNQ, on the board itself.

    Args:
        host: of a package for such a board.
        package: its folder.
        port: none: the board is the one that this runs on.
        bitfile: another bitstream than the packaged one, loaded as it is.
        batch_size: most images of a transfer.

    Raises:
        PackageError: there is no bitstream or no .hwh, or not the packaged one.
        DeviceError: PYNQ is not installed, or the bitstream is not the packaged network's.
    """
    if port is not None:
        raise DeviceError(
            f"{package} is for {host.manifest.board}, which runs it without a serial port:"
            " copy the package there and run driver/validate.py"
        )
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
