"""`deploy`: the packaged driver against the simulated device, or against a board at a port."""

import collections
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import sha256_of
from bnnedge.deployment.facts import Deployment
from bnnedge.deployment.package import RUNTIME_FOLDER, RUNTIME_NAME
from bnnedge.deployment.runtime import (
    Accelerator,
    AcceleratorError,
    Host,
    Manifest,
    load,
)
from bnnedge.deployment.runtime.validate import validate
from bnnedge.deployment.simulated import open_simulated
from bnnedge.errors import DeploymentError
from bnnedge.links.base import SimulatedBoard
from bnnedge.links.simulated_serial import LineFaults
from bnnedge.links.store import Measured
from bnnedge.scratch import scratch
from bnnedge.verilated.axi import AxiTraffic

_PROGRAM_TIMEOUT_S = 600.0


@checked
def deploy(
    package: Path | str,
    *,
    port: str | None = None,
    program: bool = False,
    images: int | None = None,
    clocks_per_bit: int | None = None,
    faults: LineFaults | None = None,
    traffic: AxiTraffic | None = None,
    rtl: Path | None = None,
) -> Deployment:
    """Run the packaged examples through the packaged driver and compare every result.

    Args:
        package: folder written by `package`.
        port: serial port of a connected board; default: the device is simulated.
        program: write the bitstream to the board first (volatile), with openFPGALoader.
        images: at most this many examples; default: all.
        clocks_per_bit: another UART divisor for the simulated device, to save time.
        faults: disturbances of the simulated line.
        traffic: of the simulated memory, for a board without a line.
        rtl: a verified copy of the package's RTL, of which the simulated device then is; None: it
            is compiled of whatever the package holds, which can run programs on this machine.

    Raises:
        DeploymentError: the package is damaged, the device does not answer or is another network,
            a result differs (names the first image), or no image was asked for.
        ToolMissingError: openFPGALoader, g++ or Verilator is needed and not installed.
        SimulationError: the simulated device broke one of its own assertions.
    """
    start, package = time.perf_counter(), Path(package)
    if images is not None and images < 1:
        raise DeploymentError(f"{package}: wanted at least one image to compare, got {images}")
    try:
        host = Host.load(package)
        with scratch() as work:
            # What was checked is what is used, and nothing that the manifest does not list.
            checked = _checked_copy(package, host.manifest, work / "package")
            if port is None:
                simulated = open_simulated(
                    checked, host, faults or traffic, clocks_per_bit=clocks_per_bit, rtl=rtl
                )
                with simulated as (on_board, board):
                    return _validated(checked, host, on_board, board, images, start)
            if program and host.manifest.loader is not None:
                _program(checked / host.manifest.bitstream, host.manifest.loader)
            with load(package, port=port) as accelerator:
                return _validated(checked, host, accelerator, None, images, start)
    except AcceleratorError as error:
        raise DeploymentError(f"{package}: {error}") from error


def _validated(
    package: Path,
    host: Host,
    accelerator: Accelerator,
    board: SimulatedBoard | None,
    images: int | None,
    start: float,
) -> Deployment:
    clock = time.monotonic if board is None else lambda: board.seconds
    began = clock()
    count = validate(package, accelerator, images)
    line_s = clock() - began
    used = accelerator.manifest
    return Deployment(
        network=used.network,
        device=accelerator.name,
        id_word=used.id_word,
        images=count,
        wall_s=round(time.perf_counter() - start, 3),
        line_s=line_s,
        images_per_s=count / line_s,
        board_images_per_s=host.manifest.bound_images_per_s,
        cycles=None if board is None else board.cycles,
        measured=_measured(accelerator),
        **accelerator.found(),
    )


def _measured(accelerator: Accelerator) -> Measured | None:
    """What the device counts with the images that it holds."""
    report, manifest = accelerator.measure(), accelerator.manifest
    if report is None:
        return None
    return Measured(
        **dataclasses.asdict(report),
        predicted_cycles=manifest.interval_cycles,
        clock_hz=manifest.clock_hz,
    )


def open_package(package: Path | str) -> Host:
    """The host's share of a package whose files are the packaged ones, with this very driver.

    Raises:
        DeploymentError: the package is damaged, or its driver another one.
    """
    package = Path(package)
    try:
        host = Host.load(package)
        collections.deque(_checked_files(package, host.manifest), maxlen=0)
    except AcceleratorError as error:
        raise DeploymentError(f"{package}: {error}") from error
    return host


def _checked_files(package: Path, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a package's files, each the packaged one; its driver is this one."""
    for source in RUNTIME_FOLDER.glob("*.py"):
        if manifest.files.get(f"{RUNTIME_NAME}/{source.name}") != sha256_of(source):
            raise DeploymentError(
                f"{package}: its driver is not the one of this bnnedge ({source.name} differs)",
                remedy="run bnnedge package again",
            )
    for name in manifest.files:
        yield name, manifest.read_file(package, name)


def _checked_copy(package: Path, manifest: Manifest, copy: Path) -> Path:
    for name, data in _checked_files(package, manifest):
        try:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(data)
        except OSError as error:
            raise DeploymentError(f"cannot copy {package} to {copy}: {error.strerror}") from error
    return copy


def _program(bitstream: Path, board: str) -> None:
    loader = tools.find("openFPGALoader")
    log = tools.cache_dir() / "openFPGALoader.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    tools.run(
        [loader, "-b", board, bitstream],
        cwd=bitstream.parent,
        log=log,
        timeout_s=_PROGRAM_TIMEOUT_S,
    )
