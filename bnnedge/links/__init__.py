"""Ways between a host and a network, one a file: device sources, parameters, records."""

from collections.abc import Mapping
from pathlib import Path

from bnnedge.config import structure
from bnnedge.errors import ConfigError, SynthesisError
from bnnedge.files import load_json
from bnnedge.links.axi import AxiDevice
from bnnedge.links.base import DEVICE_FILE, Device
from bnnedge.links.uart import UartDevice

LINKS: Mapping[str, type[Device]] = {link.interface: link for link in (UartDevice, AxiDevice)}
"""Every link by its name in boards' files and in manifests."""
_UNNAMED = UartDevice.interface  # a record that names no interface


def load_device(folder: Path) -> Device:
    """Read the `device.json` in a folder with a bitstream.

    Raises:
        SynthesisError: it is missing or damaged.
    """
    path = folder / DEVICE_FILE
    try:
        record = load_json(path)
        name = record.pop("interface", _UNNAMED) if isinstance(record, dict) else _UNNAMED
        if name not in LINKS:
            raise ConfigError(f"{path}: interface: wanted one of {', '.join(LINKS)}")
        return structure(record, LINKS[name], source=str(path))
    except ConfigError as error:
        raise SynthesisError(
            f"{folder} does not hold a bitstream: {error}", remedy="run bnnedge synth again"
        ) from error


__all__ = ["DEVICE_FILE", "LINKS", "AxiDevice", "Device", "UartDevice", "load_device"]
