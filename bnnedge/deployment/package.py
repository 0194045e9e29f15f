"""`package`: everything that goes with a board, in one folder that needs no bnnedge."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bnnedge
from bnnedge.artifacts import Artifact, folder_hashes, stage
from bnnedge.dataflow import ArgMax, Dataflow
from bnnedge.deployment.runtime import validate
from bnnedge.deployment.runtime.host import MANIFEST_FILE, PACKAGE_FORMAT, PACKAGE_VERSION
from bnnedge.deployment.runtime.link import PROTOCOL_VERSION
from bnnedge.design import DESIGN_FILE, Design
from bnnedge.errors import DeploymentError

RUNTIME_FOLDER = Path(__file__).parent / "runtime"
RUNTIME_NAME = "bnnedge_runtime"
RTL_FOLDER = "rtl"
DEVICE_FOLDER = "device"
# Where they live in the source tree; read as data, never imported.
_DEVICE_SOURCES = Path(bnnedge.__file__).parent / "synthesis" / "sv"
_DEVICE_MODULES = (
    "crc16",
    "frame_buffer",
    "frame_receiver",
    "frame_sender",
    "uart_device",
    "uart_rx",
    "uart_tx",
)
_EXAMPLE_SEED = 0


@dataclass(frozen=True, kw_only=True)
class PackageConfig:
    """What the bitstream's device was built with, and how much goes into the package.

    Attributes:
        board: what users call it, e.g. "ulx3s-85f".
        loader_board: openFPGALoader's name for it.
        clock_hz: clock of network and UART.
        clocks_per_bit: divisor of the UART.
        quiet_ms: silence after which the device forgets a broken frame.
        window: images that may be unanswered at a time; a power of two.
        example_images: at most this many examples are packed.
    """

    board: str
    loader_board: str
    clock_hz: int
    clocks_per_bit: int
    quiet_ms: float = 50.0
    window: int = 4
    example_images: int = 64

    def __post_init__(self) -> None:
        if self.clocks_per_bit < 8 or self.clock_hz < 1 or self.example_images < 1:
            raise DeploymentError(
                "package: wanted clocks_per_bit >= 8, clock_hz >= 1 and example_images >= 1, got"
                f" {self.clocks_per_bit}, {self.clock_hz} and {self.example_images}"
            )


def package(
    rtl: Path,
    config: PackageConfig,
    out: Path,
    *,
    bitstream: Path | None = None,
    inputs: NDArray[Any] | None = None,
) -> Artifact:
    """Pack a design for its board: bitstream, manifest, driver, examples, and its RTL.

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: what the bitstream's device was built with.
        out: folder to publish.
        bitstream: for the board; without it the package only serves the simulated board.
        inputs: (N, *input_shape), real inputs whose first images become the examples; default:
            random ones around the encoding's thresholds.

    Raises:
        DesignError, DataflowError: the RTL folder is damaged.
        DataError: `inputs` are not what the network takes.
        DeploymentError: the bitstream is missing.
    """
    design = Design.load(rtl)
    dataflow = Dataflow.load(rtl / "dataflow")
    if bitstream is not None and not bitstream.is_file():
        raise DeploymentError(f"{bitstream} is missing", remedy="run bnnedge synth again")
    if inputs is None:
        inputs = _random_inputs(dataflow, config.example_images)
    inputs = np.ascontiguousarray(inputs[: config.example_images])
    expected = dataflow.run(inputs)
    given = hashlib.sha256(f"{inputs.dtype}{inputs.shape}".encode() + inputs.tobytes())

    def write(folder: Path) -> Mapping[str, Any]:
        name = _copy_files(rtl, design, bitstream, folder)
        (folder / "example").mkdir()
        np.save(folder / validate.INPUTS, inputs)
        np.save(folder / validate.EXPECTED, expected)
        (folder / "README.txt").write_text(_readme(design, config, name))
        manifest = _manifest(design, dataflow, config, name)
        manifest["files"] = folder_hashes(folder)
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n")
        return {
            "board": config.board,
            "bitstream": name,
            "id_word": f"{design.id_word:#010x}",
            "baud": round(config.clock_hz / config.clocks_per_bit),
            "example_images": len(inputs),
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        }

    return stage(
        "package",
        out,
        write,
        config={"config": config, "inputs": given.hexdigest()},
        inputs=(rtl,) if bitstream is None else (rtl, bitstream),
    )


def _random_inputs(dataflow: Dataflow, count: int) -> NDArray[np.float32]:
    threshold = dataflow.input.threshold
    finite = threshold[np.isfinite(threshold)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 0)
    random = np.random.default_rng(_EXAMPLE_SEED)
    shape = (count, *dataflow.input.input_shape)
    return random.uniform(low - 1, high + 1, shape).astype(np.float32)


def _copy_files(rtl: Path, design: Design, bitstream: Path | None, folder: Path) -> str | None:
    """Copy everything that exists already; returns the bitstream's name in the package."""
    shutil.copytree(rtl / "dataflow", folder / "dataflow")
    for name in (DESIGN_FILE, *design.sources, *design.memories):
        target = folder / RTL_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(rtl / name, target)
    (folder / DEVICE_FOLDER).mkdir()
    for module in _DEVICE_MODULES:
        name = f"{module}.sv"
        shutil.copyfile(_DEVICE_SOURCES / name, folder / DEVICE_FOLDER / name)
    (folder / RUNTIME_NAME).mkdir()
    for source in sorted(RUNTIME_FOLDER.glob("*.py")):
        shutil.copyfile(source, folder / RUNTIME_NAME / source.name)
    if bitstream is None:
        return None
    name = f"bitstream{bitstream.suffix}"
    shutil.copyfile(bitstream, folder / name)
    return name


def _manifest(
    design: Design, dataflow: Dataflow, config: PackageConfig, bitstream: str | None
) -> dict[str, Any]:
    return {
        "format": PACKAGE_FORMAT,
        "version": PACKAGE_VERSION,
        "bnnedge": bnnedge.__version__,
        "network": design.name,
        "board": config.board,
        "loader_board": config.loader_board,
        "bitstream": bitstream,
        "device": {
            "id_word": f"{design.id_word:#010x}",
            "protocol_version": PROTOCOL_VERSION,
            "clock_hz": config.clock_hz,
            "clocks_per_bit": config.clocks_per_bit,
            "baud": round(config.clock_hz / config.clocks_per_bit),
            "quiet_ms": config.quiet_ms,
            "window": config.window,
            "interval_cycles": design.interval_cycles,
        },
        "input": {
            "shape": dataflow.input.input_shape,
            "encoding": dataflow.input.name,
            "bits": design.input_bits,
            "bytes": design.input_beats * design.input_width_bits // 8,
        },
        "output": {
            "elements": design.output_elements,
            "element_bits": design.output_element_bits,
            "signed": design.output_signed,
            "bytes": design.output_beats * design.output_width_bits // 8,
            "hardware_classes": isinstance(dataflow.nodes[-1], ArgMax),
            "host_classes": dataflow.output.classes,
        },
    }


def _readme(design: Design, config: PackageConfig, bitstream: str | None) -> str:
    baud = round(config.clock_hz / config.clocks_per_bit)
    program = (
        f"openFPGALoader -b {config.loader_board} {bitstream}"
        if bitstream
        else "(no bitstream was packed: this package serves the simulated board only)"
    )
    return f"""\
{design.name} for {config.board}, id {design.id_word:#010x}

On the machine that the board is plugged into (Python 3.8 or later), in this folder.
Not run here: no board was connected when this package was made. What was run is the same driver
against a simulation of the same device; `bnnedge deploy PACKAGE --simulate` repeats it.

1. python -m pip install numpy pyserial
2. {program}
   The network is lost at power-off; add -f to write it to the board's flash instead.
3. python -m bnnedge_runtime.validate --port /dev/ttyUSB0
   runs the examples in example/ and compares with the expected results.
4. python -m bnnedge_runtime --port /dev/ttyUSB0 --inputs example/inputs.npy --outputs results.npy
   or in Python:
       import bnnedge_runtime
       with bnnedge_runtime.load(port="/dev/ttyUSB0") as accelerator:
           results = accelerator.execute(batch)

The line runs at {baud} baud, 8N1; the bitstream fixes it.
"Permission denied" on Linux: join the port's group (`sudo usermod -aG dialout $USER`, then log in
again); for openFPGALoader without root, install its 99-openfpgaloader.rules under
/etc/udev/rules.d and run `sudo udevadm control --reload`.
Slow replies from an FTDI bridge on Linux: its driver holds short ones back for 16 ms. As root:
echo 1 > /sys/bus/usb-serial/devices/ttyUSB0/latency_timer
"""
