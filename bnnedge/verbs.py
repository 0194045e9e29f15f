"""The verbs of bnnedge, each a thin front of one stage.

Stages are imported when a verb needs them, so that `bnnedge --help` and the numpy-only verbs do
not wait for torch or FINN.
"""

import dataclasses
import enum
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import cache, tools
from bnnedge.arguments import checked, member_of, path_of
from bnnedge.arrays import read_npz
from bnnedge.artifacts import Artifact, check_input
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ConfigError, DataError, MismatchError, ToolMissingError
from bnnedge.filekinds import FST
from bnnedge.files import is_file
from bnnedge.outputs import check_output_file
from bnnedge.progress import Progress, part_of, silent
from bnnedge.scratch import scratch
from bnnedge.simulation.config import MOST_IMAGES

if TYPE_CHECKING:
    from bnnedge.data.datasets import Split
    from bnnedge.data.fetch import Fetched
    from bnnedge.deployment.facts import Deployment, PackageFacts
    from bnnedge.exporter.facts import ExportFacts
    from bnnedge.hardware.facts import RtlFacts
    from bnnedge.lowering.facts import LoweringFacts
    from bnnedge.models.pretrained import ModelCard
    from bnnedge.recipe import Recipe
    from bnnedge.simulation.facts import SimulationResult
    from bnnedge.sizing.facts import SizingFacts
    from bnnedge.synthesis.facts import SynthesisFacts
    from bnnedge.training.facts import TrainingFacts
    from bnnedge.vitis_hls.facts import HlsFacts

MODEL_FILE = "model.onnx"
REFERENCE_FILE = "reference.npz"
_EXPORTED_IMAGES = 100


class Backend(enum.Enum):
    """What computes the classes of a Dataflow, see `evaluate`."""

    REFERENCE = "reference"
    EMULATOR = "emulator"
    RTL = "rtl"


def _require_images(images: int | None) -> None:
    if images is not None and not 1 <= images <= MOST_IMAGES:
        raise ConfigError(f"images: wanted 1 to {MOST_IMAGES:,}, got {images}")


@checked
def train(
    recipe: "Path | Recipe", out: Path, *, progress: Progress = silent
) -> "Artifact[TrainingFacts]":
    """Train the network of a recipe; see `bnnedge.training.train`."""
    from bnnedge.recipe import Recipe, Use
    from bnnedge.training import train as run

    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(path_of("train: recipe", recipe), Use.TRAIN)

    return run(
        recipe.network,
        recipe.data,
        recipe.training,
        out,
        teacher=recipe.teacher,
        progress=progress,
    )


@checked
def export(checkpoint: Path, out: Path, *, progress: Progress = silent) -> "Artifact[ExportFacts]":
    """Export a checkpoint (its folder, or `checkpoint.pt` in it) as QONNX.

    See `bnnedge.exporter.export`.
    """
    from bnnedge.exporter import export as run

    folder = checkpoint.parent if is_file(checkpoint) else checkpoint
    return run(folder, out, progress=progress)


@checked
def export_model(
    network: str,
    dataset: str,
    out: Path,
    *,
    folder: Path | None = None,
    progress: Progress = silent,
) -> "Artifact[ExportFacts]":
    """Export a pretrained network as QONNX; see `export`, and `evaluate_model` for arguments.

    Raises:
        ConfigError: no such network was trained on that data set.
        DataError: the data set is missing, or not the one of the model card.
    """
    card, test = _pretrained(network, dataset, folder)
    with scratch() as work:
        return export(_checkpoint(card, test, work), out, progress=progress)


@checked
def lower(
    model: Path,
    out: Path,
    *,
    name: str | None = None,
    classify: bool = False,
    sign_zero: str = "refuse",
    progress: Progress = silent,
) -> "Artifact[LoweringFacts]":
    """Lower an ONNX file (or a folder that holds `model.onnx`) to a Dataflow.

    See `bnnedge.lowering.lower`.
    """
    from bnnedge.lowering import LoweringConfig, SignZero
    from bnnedge.lowering import lower as run

    model = model / MODEL_FILE if model.is_dir() else model
    config = LoweringConfig(
        name=name, classify=classify, sign_zero=member_of("lower: sign_zero", sign_zero, SignZero)
    )
    return run(model, config, out, progress=progress)


@checked
def rtl(
    dataflow: Path,
    out: Path,
    *,
    target_fps: float | None = None,
    folding: Path | None = None,
    clock_mhz: float | None = None,
    fifo_depths: Path | None = None,
) -> "Artifact[RtlFacts]":
    """Write the hardware of a Dataflow folder; see `bnnedge.hardware.emit`."""
    from bnnedge.hardware import RtlConfig, emit

    config = RtlConfig(target_fps=target_fps, folding=folding, fifo_depths=fifo_depths)
    if clock_mhz is not None:
        config = dataclasses.replace(config, clock_mhz=clock_mhz)
    return emit(dataflow, config, out)


@checked
def fifos(
    rtl: Path, out: Path, *, trust: bool = False, progress: Progress = silent
) -> "Artifact[SizingFacts]":
    """Size the FIFOs of an RTL folder by simulating it; `out` gets `fifos.json`.

    Give that file to `rtl` with the folding of the same folder. See `bnnedge.sizing.size`; for
    `trust`, `bnnedge.hardware.own_copy`.
    """
    from bnnedge.hardware import own_copy
    from bnnedge.sizing import size

    with own_copy(rtl, trust=trust) as own:
        return size(own, out, progress=progress)


@checked
def simulate(
    rtl: Path,
    *,
    inputs: NDArray[Any] | None = None,
    images: int | None = None,
    stalls: float = 0.3,
    seed: int = 0,
    trace: Path | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> "SimulationResult":
    """Simulate an RTL folder without and with stalls, and compare it with its Dataflow.

    Then some images go through each of `simulation.PATTERNS`, with stalls as long as an image takes
    and in every stream between kernels.

    Args:
        rtl: folder written by `rtl`.
        inputs: (N, *input shape); None generates adversarial and random ones.
        images: the first so many.
        stalls: probability of a stall per cycle on either side, in the second run; 0: only the
            first run, and no patterns.
        seed: of generated inputs and stalls.
        trace: where to write an FST file of the first images.
        trust: see `bnnedge.hardware.own_copy`.
        progress: called now and then.

    Raises:
        DesignError: the folder is damaged, or not what bnnedge writes.
        MismatchError, SimulationError, ToolMissingError: see `bnnedge.simulation.check`.
    """
    from bnnedge.hardware import own_copy
    from bnnedge.simulation.check import check
    from bnnedge.simulation.config import SimulationConfig

    if trace is not None:
        check_output_file(trace, FST)
    config = SimulationConfig(
        images=images,
        stalls=(0.0, stalls) if stalls else (0.0,),
        seed=seed,
        trace_images=0 if trace is None else 4,
    )
    with own_copy(rtl, trust=trust) as own:
        return check(own, config, inputs=inputs, trace=trace, progress=progress)


@checked
def hls(
    rtl: Path,
    out: Path,
    *,
    part: str | None = None,
    clock_mhz: float | None = None,
    check: bool = False,
    images: int = 16,
    ap_types: Path | None = None,
    trust: bool = False,
    progress: Progress = silent,
) -> "Artifact[HlsFacts]":
    """Write the twin of an RTL folder in HLS C++, with test vectors of generated images.

    Args:
        rtl: folder written by `rtl`.
        out: folder to publish.
        part: what `run_hls.tcl` synthesises for; a Zynq-7020 by default.
        clock_mhz: for which; 100 by default.
        check: compile it with g++, run it, and compare it with the Dataflow.
        images: test vectors, random and adversarial ones.
        ap_types: folder of `ap_int.h` for a check; None: see `bnnedge.tools.ap_types`.
        trust: see `bnnedge.hardware.own_copy`.
        progress: called at each step.

    Raises:
        ConfigError, DesignError, MismatchError, ToolMissingError: see `bnnedge.vitis_hls.emit`.
    """
    from bnnedge.hardware import own_copy
    from bnnedge.simulation.check import generate_inputs
    from bnnedge.vitis_hls import HlsConfig, emit

    _require_images(images)
    config = HlsConfig(check=check, ap_types=ap_types)
    if part is not None:
        config = dataclasses.replace(config, part=part)
    if clock_mhz is not None:
        config = dataclasses.replace(config, clock_mhz=clock_mhz)
    with own_copy(rtl, trust=trust) as own:
        return emit(
            own,
            config,
            out,
            vectors=lambda graph: generate_inputs(graph, images, seed=0),
            progress=progress,
        )


@checked
def emulate(dataflow: Path, inputs: NDArray[Any]) -> NDArray[np.int64]:
    """Run a Dataflow folder on inputs (N, *input shape): integer logits (N, K) or classes (N,).

    See `bnnedge.emulator.Emulator`.
    """
    from bnnedge.emulator import Emulator

    graph = Dataflow.load(dataflow)
    check_input(dataflow)
    return Emulator(graph)(inputs)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracy on a test set.

    Attributes:
        dataset: its name.
        backend: what computed the classes.
        images: how many.
        correct: how many of them got the right class.
    """

    dataset: str
    backend: str
    images: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Share of correct classes."""
        return self.correct / self.images


@checked
def evaluate(
    dataflow: Path,
    dataset: str,
    *,
    folder: Path | None = None,
    backend: str = "emulator",
    images: int | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a Dataflow folder on the test set of a data set.

    Args:
        dataflow: the folder.
        dataset: a `DatasetName`'s value, e.g. "mnist".
        folder: where the data set's files are; the user's cache by default.
        backend: "reference" runs the Dataflow's interpreter, "emulator" the bit-packed engine;
            "rtl" also simulates the hardware and requires it to answer the same.
        images: the first so many.
        progress: called now and then.

    Raises:
        DataError: the data set is missing or does not fit the network's input.
        MismatchError: the hardware differs.
    """
    from bnnedge.data.config import DatasetName
    from bnnedge.data.datasets import load_dataset

    _require_images(images)
    chosen = member_of("evaluate: backend", backend, Backend)
    graph = Dataflow.load(dataflow)
    check_input(dataflow)
    test = load_dataset(member_of("evaluate: dataset", dataset, DatasetName), folder).test
    x, labels = test.inputs[:images], test.labels[:images]
    if chosen is Backend.REFERENCE:
        classes = graph.classify(x)
    else:
        from bnnedge.emulator import Emulator

        classes = Emulator(graph).predict(x)
    if chosen is Backend.RTL:
        _check_default_hardware(dataflow, x, progress)
    correct = int((classes == labels).sum())
    return Evaluation(dataset=dataset, backend=backend, images=len(labels), correct=correct)


@checked
def evaluate_model(
    network: str,
    dataset: str,
    *,
    folder: Path | None = None,
    images: int | None = None,
    progress: Progress = silent,
) -> tuple[Evaluation, Evaluation]:
    """Measure a pretrained network through PyTorch and, exported and lowered, through its Dataflow.

    Args:
        network: its name, e.g. "lenet5".
        dataset: what it was trained on, and is measured on.
        folder: where the data set's files are; the user's cache by default.
        images: the first so many.
        progress: called now and then.

    Returns:
        PyTorch's and the Dataflow's, which are equal.

    Raises:
        ConfigError: no such network was trained on that data set.
        DataError: the data set is missing, or not the one of the model card.
        LoweringError: the network has no integer Dataflow.
        MismatchError: PyTorch and the Dataflow give an image different classes, or the whole test
            set another accuracy than the model card.
    """
    _require_images(images)
    card, test = _pretrained(network, dataset, folder)
    test = test.take(np.arange(len(test))[:images])
    with scratch() as work:
        classes = _both_classes(card, test, work, progress)
    for index in np.flatnonzero(classes["pytorch"] != classes["dataflow"])[:1]:
        both = ", ".join(f"{backend} {given[index]}" for backend, given in classes.items())
        raise MismatchError(f"{card.name}, image {index}: {both}")
    reference, dataflow = (
        Evaluation(
            dataset=dataset,
            backend=backend,
            images=len(test),
            correct=int((given == test.labels).sum()),
        )
        for backend, given in classes.items()
    )
    if len(test) == card.test_images and reference.correct != card.test_correct:
        raise MismatchError(
            f"{card.name}: {reference.correct} of {len(test)} images are right, its model card says"
            f" {card.test_correct}"
        )
    return reference, dataflow


def _pretrained(network: str, dataset: str, folder: Path | None) -> tuple["ModelCard", "Split"]:
    """The model card, and the test set of the data that it names."""
    from bnnedge.data.config import DatasetName
    from bnnedge.data.datasets import load_dataset
    from bnnedge.models.pretrained.cards import ModelCard, name_of

    card = ModelCard.load(name_of(network, dataset))
    data = load_dataset(member_of("dataset", dataset, DatasetName), folder)
    if data.sha256() != card.dataset_sha256:
        raise DataError(
            f"this {dataset} is not the one that {card.name} was trained on",
            remedy=f"run `bnnedge fetch {dataset}`",
        )
    return card, data.test


def _checkpoint(card: "ModelCard", test: "Split", work: Path) -> Path:
    """A checkpoint folder of a pretrained network."""
    from bnnedge.models.checkpoint import save_checkpoint
    from bnnedge.models.pretrained.load import load_card

    checkpoint = work / "checkpoint"
    checkpoint.mkdir()
    record = {"input_range": list(card.input_range)}
    save_checkpoint(checkpoint, load_card(card), record, test.images, test.labels)
    return checkpoint


def _both_classes(
    card: "ModelCard", test: "Split", work: Path, progress: Progress
) -> dict[str, NDArray[np.int64]]:
    """Classes of the test images by backend, "pytorch" first; stages go to `work`."""
    from bnnedge.emulator import Emulator
    from bnnedge.models.pretrained.load import load_card

    # Both stages compare what they do on adversarial inputs; here only few images of the set.
    some = test.take(np.arange(len(test))[:_EXPORTED_IMAGES])
    checkpoint = _checkpoint(card, some, work)
    export(checkpoint, work / "export", progress=part_of(progress, 0.0, 0.3))
    lower(work / "export", work / "dataflow", name=card.name, progress=part_of(progress, 0.3, 0.5))
    progress("running PyTorch", 0.5)
    classes = {"pytorch": load_card(card).predict(test.images)}
    progress("running the Dataflow", 0.6)
    dataflow = Dataflow.load(work / "dataflow")
    return {**classes, "dataflow": Emulator(dataflow).predict(test.inputs)}


def _check_default_hardware(dataflow: Path, x: NDArray[Any], progress: Progress) -> None:
    with scratch() as work:
        out = work / "rtl"
        rtl(dataflow, out)
        simulate(out, inputs=x, stalls=0.0, trust=True, progress=progress)


@checked
def synth(
    rtl: Path,
    out: Path,
    *,
    board: str,
    clock_mhz: float | None = None,
    seed: int = 1,
    vivado: bool = True,
    trust: bool = False,
    progress: Progress = silent,
) -> "Artifact[SynthesisFacts]":
    """Make a bitstream of an RTL folder; for a Zynq an estimate and Vivado's project, run or not.

    See `bnnedge.synthesis.synthesise`; for `trust`, `bnnedge.hardware.own_copy`.
    """
    from bnnedge.hardware import own_copy
    from bnnedge.synthesis.config import SynthesisConfig
    from bnnedge.synthesis.flow import synthesise

    config = SynthesisConfig(board=board, clock_mhz=clock_mhz, seed=seed, vivado=vivado)
    with own_copy(rtl, trust=trust) as own:
        return synthesise(own, config, out, progress=progress)


@checked
def package(build: Path, out: Path, *, trust: bool = False) -> "Artifact[PackageFacts]":
    """Pack what a board needs from a build folder (with `rtl/`, `synth/`, perhaps `export/`).

    See `bnnedge.deployment.package`; for `trust`, `bnnedge.hardware.own_copy`.
    """
    from bnnedge.deployment import package as run
    from bnnedge.hardware import own_copy

    inputs = test_images(build / "export") if (build / "export").is_dir() else None
    with own_copy(build / "rtl", trust=trust) as own:
        return run(own, build / "synth", out, inputs=inputs)


@checked
def test_images(export: Path) -> NDArray[np.float32]:
    """The data set's test images (N, *input shape) in an export folder."""
    path = export / REFERENCE_FILE
    reference = read_npz(path, ("inputs", "labels"))
    inputs, labels = reference["inputs"], reference["labels"]
    if labels.shape != inputs.shape[:1]:
        raise DataError(f"{path}: wanted a label for each input, got {inputs.shape} {labels.shape}")
    return inputs[labels >= 0]


@checked
def deploy(
    package: Path,
    *,
    port: str | None = None,
    program: bool = False,
    images: int | None = None,
    trust: bool = False,
) -> "Deployment":
    """Run a package's examples on the simulated device, or on a board at a serial port.

    See `bnnedge.deployment.deploy`; for `trust`, `bnnedge.hardware.own_copy`.
    """
    from bnnedge.deployment import DATAFLOW_FOLDER, RTL_FOLDER, open_package
    from bnnedge.deployment import deploy as run
    from bnnedge.hardware import own_copy

    check_input(package)
    if port is not None or trust:
        return run(package, port=port, program=program, images=images)
    open_package(package)  # says what is wrong with it before its RTL is looked at
    with own_copy(package / RTL_FOLDER, dataflow=package / DATAFLOW_FOLDER) as rtl:
        return run(package, rtl=rtl, images=images)


@checked
def fetch(dataset: str, folder: Path | None = None) -> "Fetched":
    """Fetch a data set into `folder` or the user's cache; see `bnnedge.data.fetch.fetch`."""
    from bnnedge.data.config import DatasetName
    from bnnedge.data.fetch import fetch as run

    return run(member_of("fetch: dataset", dataset, DatasetName), folder)


@dataclass(frozen=True, kw_only=True)
class ToolStatus:
    """What `doctor` says of a tool; `version` is None where it is missing."""

    name: str
    version: str | None
    needed_for: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class CacheStatus:
    """What `doctor` says of a folder in which something is kept between runs."""

    folder: Path
    bytes: int
    remedy: str


def doctor() -> tuple[ToolStatus | CacheStatus, ...]:
    """Which tools are here, in which versions, what each missing one costs; what caches hold."""

    def status(tool: tools.Tool) -> ToolStatus:
        try:
            version: str | None = tools.version(tool.name)
        except ToolMissingError:
            version = None
        return ToolStatus(
            name=tool.name, version=version, needed_for=tool.needed_for, remedy=tool.remedy
        )

    caches = (
        CacheStatus(
            folder=part.folder,
            bytes=part.bytes,
            remedy=f"rm -r {shlex.quote(str(part.folder))}",
        )
        for part in cache.parts()
    )
    return (*map(status, tools.TOOLS.values()), *caches)
