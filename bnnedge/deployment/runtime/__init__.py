"""Driver of a bnnedge network on a board: needs Python 3.8 and numpy.

A board on a serial line needs pyserial besides, a PYNQ board its own pynq.

import bnnedge_runtime
with bnnedge_runtime.load("package", port="/dev/ttyUSB0") as accelerator:  # PYNQ: no port
    results = accelerator.execute(batch)
"""

from .accelerator import Accelerator
from .axi import AxiAccelerator, AxiManifest
from .errors import AcceleratorError, DeviceError, InputError, PackageError
from .example import examples
from .host import Host
from .link import Identity, Report
from .load import load
from .manifest import Manifest
from .uart import SerialAccelerator, SerialManifest, Throughput

__all__ = [
    "Accelerator",
    "AcceleratorError",
    "AxiAccelerator",
    "AxiManifest",
    "DeviceError",
    "Host",
    "Identity",
    "InputError",
    "Manifest",
    "PackageError",
    "Report",
    "SerialAccelerator",
    "SerialManifest",
    "Throughput",
    "examples",
    "load",
]
