"""What the simulated device is compiled of."""

from pathlib import Path

from bnnedge.deployment.package import DEVICE_FOLDER, RTL_FOLDER
from bnnedge.design import Design
from bnnedge.errors import DeploymentError, named
from bnnedge.links import Device
from bnnedge.names import inner_file


def simulation_sources(
    package: Path, rtl: Path | None, link: type[Device]
) -> tuple[Path, Design, tuple[Path, ...]]:
    """Files of a package's device with its network.

    Args:
        package: folder written by `package`.
        rtl: a verified copy of the package's RTL folder, which then is taken, with the device of
            this bnnedge; None: everything is taken as it is in the package.
        link: of the package's board.

    Returns:
        The RTL folder, its design, the SystemVerilog files.

    Raises:
        DeploymentError: a file of the device is missing, or `rtl` was given and it is another one
            than bnnedge's.
        DesignError: the RTL folder is damaged.
    """
    folder = package / RTL_FOLDER if rtl is None else rtl
    design = Design.load(folder)
    device = link.sources(design)
    packed = [
        inner_file(package / DEVICE_FOLDER, path.name, raises=DeploymentError) for path in device
    ]
    if rtl is None:
        device = tuple(packed)
    for own, found in zip(device, packed, strict=True):
        if own.stat().st_size != found.stat().st_size or own.read_bytes() != found.read_bytes():
            raise DeploymentError(
                f"{found} is not what this bnnedge writes",
                remedy=f"run bnnedge package again, or give {named('trust', True)} if the change is"
                " yours",
            )
    return folder, design, (*device, *(folder / name for name in design.sources))
