"""`package`: everything that goes with a board, in one folder that needs no bnnedge."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bnnedge
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact, folder_hashes
from bnnedge.dataflow import Dataflow
from bnnedge.dataflow.graph import GRAPH_FILE, WEIGHTS_FILE
from bnnedge.deployment import fpga_files, pynq_files
from bnnedge.deployment.facts import PACKAGE, PackageFacts
from bnnedge.deployment.ranges import ResultRanges
from bnnedge.deployment.runtime.example import EXPECTED, INPUTS
from bnnedge.deployment.runtime.manifest import MANIFEST_FILE, PACKAGE_FORMAT, PACKAGE_VERSION
from bnnedge.design import DESIGN_FILE, Design
from bnnedge.equality import edge_inputs, inputs_for, stimuli
from bnnedge.errors import DeploymentError, DesignError
from bnnedge.links import DEVICE_FILE, Device, load_device
from bnnedge.names import inner_file

RUNTIME_FOLDER = Path(__file__).parent / "runtime"
RUNTIME_NAME = "bnnedge_runtime"
RTL_FOLDER = "rtl"
DATAFLOW_FOLDER = "dataflow"
DEVICE_FOLDER = "device"
_CHOICES = ("folding.json", "fifos.json")  # of an RTL folder
_EXAMPLE_SEED = 0


@checked
def package(
    rtl: Path | str,
    synth: Path | str,
    out: Path | str,
    *,
    inputs: NDArray[Any] | None = None,
    example_images: int = 64,
) -> Artifact[PackageFacts]:
    """Pack a design for its board: bitstream, manifest, driver, examples, and its RTL.

    Args:
        rtl: folder written by `bnnedge rtl`.
        synth: folder written by `bnnedge synth` from `rtl`. For a Zynq board the bitstream may
            be missing, where Vivado did not run: it is put into the package later.
        out: folder to publish.
        inputs: (N, *input_shape), real inputs whose first images become the examples; default:
            both ends of the encoding's range, values right at its thresholds, random ones, and
            those of `bnnedge.equality.stimuli`.
        example_images: at most this many.

    Raises:
        DesignError, DataflowError: the RTL folder is damaged.
        DataError: `inputs` are not what the network takes.
        DeploymentError: `synth` holds no bitstream, or that of another design; or there are no
            examples.
    """
    rtl, synth, out = Path(rtl), Path(synth), Path(out)
    design, dataflow = Design.load(rtl), Dataflow.load(rtl / "dataflow")
    device = load_device(synth)
    files = pynq_files if device.under_pynq else fpga_files
    bitstreams = files.find(synth)
    _require_same(synth, device, design)
    memories = [inner_file(synth, name, raises=DeploymentError) for name in device.memory_files]
    inputs = _examples(dataflow, inputs, example_images)
    expected = dataflow.run_on(dataflow.input.encode(inputs))
    given = hashlib.sha256(f"{inputs.dtype}{inputs.shape}".encode() + inputs.tobytes())

    def write(folder: Path) -> PackageFacts:
        _copy_files(rtl, design, folder)
        (folder / "example").mkdir()
        np.save(folder / INPUTS, inputs)
        np.save(folder / EXPECTED, expected)
        bitstream = files.write(folder, RUNTIME_FOLDER, design, device, bitstreams)
        (folder / DEVICE_FOLDER).mkdir()
        for source in (*device.sources(design), *memories):
            shutil.copyfile(source, folder / DEVICE_FOLDER / source.name)
        manifest = _manifest(design, dataflow, device, bitstream)
        manifest["files"] = folder_hashes(folder)
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        place = bitstream if bitstreams else f"still missing, goes to {bitstream}"
        return _facts(folder, device, place, len(inputs))

    return PACKAGE.publish(
        out,
        write,
        config={"inputs": given.hexdigest()},
        inputs=(rtl, *bitstreams, synth / DEVICE_FILE, *memories),
    )


def _facts(folder: Path, device: Device, bitstream: str, examples: int) -> PackageFacts:
    return PackageFacts(
        board=device.board,
        bitstream=bitstream,
        id_word=f"{device.id_word:#010x}",
        baud=device.settings.get("baud"),
        example_images=examples,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def _require_same(synth: Path, device: Device, design: Design) -> None:
    if device.id_word != design.id_word:
        raise DeploymentError(
            f"{synth} is of another design: wanted id {design.id_word:#010x},"
            f" got {device.id_word:#010x}",
            remedy="run bnnedge synth again",
        )


def _examples(dataflow: Dataflow, inputs: NDArray[Any] | None, most: int) -> NDArray[Any]:
    """The first inputs, or made ones. Raises DeploymentError: there are none."""
    if inputs is None:
        inputs = _example_inputs(dataflow, max(0, most))
    if len(inputs[:most]) < 1 or most < 1:
        raise DeploymentError(
            f"package: wanted at least one example, got {len(inputs[:most])} inputs, of which"
            f" {most} were asked for"
        )
    return np.ascontiguousarray(inputs[:most])


def _example_inputs(dataflow: Dataflow, count: int) -> NDArray[np.float32]:
    """Inputs (count, *input_shape) at the edges of the encoding, then hard ones for the network."""
    edges = edge_inputs(dataflow.input, -(-count // 2), _EXAMPLE_SEED)
    if count < 2:
        return edges
    encoded = stimuli(dataflow, count // 2, _EXAMPLE_SEED)
    return np.concatenate([edges, inputs_for(dataflow.input, encoded)])


def _copy_files(rtl: Path, design: Design, folder: Path) -> None:
    """Copy what every package holds."""
    (folder / DATAFLOW_FOLDER).mkdir()
    for name in (GRAPH_FILE, WEIGHTS_FILE):
        source = inner_file(rtl / "dataflow", name, raises=DesignError)
        shutil.copyfile(source, folder / DATAFLOW_FOLDER / name)
    # Folding and depths are what the simulated device's RTL is verified with.
    chosen = [name for name in _CHOICES if (rtl / name).exists()]
    for name in (DESIGN_FILE, *chosen, *design.sources, *design.memories):
        target = folder / RTL_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inner_file(rtl, name, raises=DesignError), target)
    (folder / RUNTIME_NAME).mkdir()
    for source in sorted(RUNTIME_FOLDER.glob("*.py")):
        shutil.copyfile(source, folder / RUNTIME_NAME / source.name)


def _manifest(design: Design, dataflow: Dataflow, device: Device, bitstream: str) -> dict[str, Any]:
    loader = {name: value for name, value in device.settings.items() if name == "loader_board"}
    possible = ResultRanges.of(dataflow)
    known = dataflow.meaning.class_names
    names = {"class_names": list(known)} if known else {}
    ranges = list(zip(possible.low.tolist(), possible.high.tolist(), strict=True))
    return {
        "format": PACKAGE_FORMAT,
        "version": PACKAGE_VERSION,
        "bnnedge": bnnedge.__version__,
        "network": design.name,
        "board": device.board,
        **loader,
        "bitstream": bitstream,
        "device": {
            "id_word": f"{design.id_word:#010x}",
            "clock_hz": device.clock_hz,
            "interval_cycles": design.interval_cycles,
            "latency_cycles": sum(layer.cycles_per_image for layer in design.layers),
            **device.manifest(design),
        },
        "input": {
            "shape": dataflow.input.input_shape,
            "encoding": dataflow.input.name,
            "elements": design.input_elements,
            "element_bits": design.input_element_bits,
            "bytes": design.input_beats * design.input_width_bits // 8,
        },
        "output": {
            "elements": design.output_elements,
            "element_bits": design.output_element_bits,
            "signed": design.output_signed,
            "bytes": design.output_beats * design.output_width_bits // 8,
            "ranges": ranges[:1] if len(set(ranges)) == 1 else ranges,
            "step": possible.step,
            "hardware_classes": bool(dataflow.class_nodes),
            "host_classes": dataflow.output.classes,
            **names,
        },
    }
