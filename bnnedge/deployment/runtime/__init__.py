"""Driver of a bnnedge network on a board's serial port: needs Python 3.8, numpy and pyserial.

import bnnedge_runtime
with bnnedge_runtime.load("package", port="/dev/ttyUSB0") as accelerator:
    results = accelerator.execute(batch)
"""

from .accelerator import Accelerator, Throughput, load
from .errors import AcceleratorError, DeviceError, InputError, PackageError
from .host import Host, Manifest
from .link import Identity

__all__ = [
    "Accelerator",
    "AcceleratorError",
    "DeviceError",
    "Host",
    "Identity",
    "InputError",
    "Manifest",
    "PackageError",
    "Throughput",
    "load",
]
