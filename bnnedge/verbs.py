"""The verbs of bnnedge, each a thin front of one stage; options are those of its Config.

torch and FINN are imported when a verb needs them.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, overload

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked, member_of, path_of
from bnnedge.arrays import read_npz
from bnnedge.artifacts import Artifact, check_input
from bnnedge.dataflow import Dataflow, Meaning
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.deployment.config import DeployConfig
from bnnedge.errors import ConfigError, DataError
from bnnedge.extras import Extra, require
from bnnedge.filekinds import FST
from bnnedge.hardware.authentic import Trust, own_copy
from bnnedge.hardware.config import RtlConfig
from bnnedge.interrupts import whole_imports
from bnnedge.lowering.config import Look, LoweringConfig
from bnnedge.options import keywords
from bnnedge.outputs import check_output_file
from bnnedge.progress import Progress, silent
from bnnedge.scratch import scratch
from bnnedge.simulation.config import SimulationConfig, Waves
from bnnedge.synthesis.config import SynthesisConfig, VerifyConfig
from bnnedge.vitis_hls.config import HlsConfig

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor, nn

    from bnnedge.data.fetch import Fetched
    from bnnedge.deployment.facts import Deployment, PackageFacts
    from bnnedge.exporter.facts import ExportFacts
    from bnnedge.hardware.facts import RtlFacts
    from bnnedge.lowering.facts import GraphFacts, LoweringFacts
    from bnnedge.recipe import Recipe
    from bnnedge.simulation.facts import SimulationResult
    from bnnedge.sizing.facts import SizingFacts
    from bnnedge.synthesis.facts import BitsCheck, SynthesisFacts
    from bnnedge.training.facts import TrainingFacts
    from bnnedge.vitis_hls.facts import HlsFacts

MODEL_FILE = "model.onnx"
REFERENCE_FILE = "reference.npz"
_TRACED_IMAGES = 4


@checked
def train(
    recipe: "Path | Recipe",
    out: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> "Artifact[TrainingFacts]":
    """Train the network of a recipe; see `bnnedge.training.train`.

    Args:
        recipe: TOML file, the name of one that comes with bnnedge, or a `Recipe`.
        out: folder to publish.
        changes: values in place of the file's, e.g. {"training.epochs": 5}.
        progress: called now and then.
    """
    require("training", Extra.TRAIN)
    from bnnedge.recipe import Recipe, Use
    from bnnedge.training import train as run

    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(path_of("train: recipe", recipe), Use.TRAIN, changes)
    return run(
        recipe.network,
        recipe.data,
        recipe.training,
        out,
        teacher=recipe.teacher,
        progress=progress,
    )


@overload
def export(
    checkpoint: Path | str, out: Path | str, *, progress: Progress = silent
) -> "Artifact[ExportFacts]": ...


@overload
def export(
    module: "nn.Module",
    example_inputs: Any,
    out: Path | str,
    *,
    labels: "ArrayLike | Tensor | None" = None,
    classes: Sequence[str] | None = None,
    sign_zero: SignZero | str = SignZero.REFUSE,
    progress: Progress = silent,
) -> "Artifact[ExportFacts]": ...


def export(*given: Any, progress: Progress = silent, **named: Any) -> "Artifact[ExportFacts]":
    """Export a network as QONNX, and compare the file with PyTorch.

    `export(checkpoint, out)` takes the folder of a training, or `checkpoint.pt` in it: see
    `bnnedge.exporter.export`. `export(module, example_inputs, out, labels=None, classes=None,
    sign_zero="refuse")` takes any `nn.Module`: see `bnnedge.exporter.own_module.export`.
    """
    require("exporting", Extra.TRAIN)
    run: Callable[..., Artifact[ExportFacts]]
    with whole_imports():
        if is_module(named.get("module", given[0] if given else None)):
            from bnnedge.exporter.own_module import export as run
        else:
            from bnnedge.exporter import export as run
        return checked(run)(*given, progress=progress, **named)


def is_module(source: object) -> "TypeGuard[nn.Module]":
    """Whether something is a torch module; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


@keywords
def lower(
    model: "Path | nn.Module",
    out: Path,
    config: LoweringConfig,
    look: Look,
    *,
    example_inputs: Any = None,
    classes: Sequence[str] | None = None,
    progress: Progress = silent,
) -> "Artifact[LoweringFacts] | Artifact[GraphFacts]":
    """Lower an ONNX file (or a folder that holds `model.onnx`) or a torch module to a Dataflow.

    See `bnnedge.lowering.lower` and, for `until`, `bnnedge.lowering.write_graph`.

    Args:
        model: file, folder, or module; this is exported first, see `export`.
        out: folder to publish.
        example_inputs: (N, *input shape), what a module takes; see `export`.
        classes: names, by class; None: those that the file has.
        progress: called at each step.
    """
    if is_module(model):
        if example_inputs is None:
            raise ConfigError(
                "lower: a module wants example_inputs", remedy="give some rows of its inputs"
            )
        with scratch() as work:
            exported = export(
                *(model, example_inputs, work / "qonnx"),
                classes=classes,
                sign_zero=config.sign_zero,
            )
            return _lower(exported.folder, out, config, look, progress)
    if example_inputs is not None:
        raise ConfigError("lower: example_inputs go with a module, got a file")
    return _lower(path_of("lower: model", model), out, named(config, classes), look, progress)


def named(config: LoweringConfig, classes: Sequence[str] | None) -> LoweringConfig:
    """The same with names of classes, where there are any. Raises DataError: they are none."""
    if classes is None:
        return config
    Meaning.named(classes)
    return dataclasses.replace(config, classes=tuple(classes))


def _lower(
    model: Path, out: Path, config: LoweringConfig, look: Look, progress: Progress
) -> "Artifact[LoweringFacts] | Artifact[GraphFacts]":
    require("lowering", Extra.LOWER)
    from bnnedge.lowering import lower as run
    from bnnedge.lowering import write_graph

    file = model / MODEL_FILE if model.is_dir() else model
    if look.until is None:
        return run(file, config, out, explain=look.explain, progress=progress)
    return write_graph(file, config, look.until, out, explain=look.explain, progress=progress)


@keywords
def rtl(dataflow: Path, out: Path, config: RtlConfig) -> "Artifact[RtlFacts]":
    """Write the hardware of a Dataflow folder; see `bnnedge.hardware.emit`."""
    from bnnedge.hardware import emit

    return emit(dataflow, config, out)


@keywords
def fifos(
    rtl: Path, out: Path, trust: Trust, *, progress: Progress = silent
) -> "Artifact[SizingFacts]":
    """Size the FIFOs of an RTL folder by simulating it; `out` gets `fifos.json`.

    Give that file to `rtl` with the folding of the same folder. See `bnnedge.sizing.size`.
    """
    from bnnedge.sizing import size

    with own_copy(rtl, trust=trust.trust) as own:
        return size(own, out, progress=progress)


@keywords
def simulate(
    rtl: Path,
    config: SimulationConfig,
    waves: Waves,
    trust: Trust,
    *,
    inputs: NDArray[Any] | None = None,
    progress: Progress = silent,
) -> "SimulationResult":
    """Simulate an RTL folder without and with stalls, and compare it with its Dataflow.

    Then some images go through each of `simulation.PATTERNS`, with stalls as long as an image takes
    and in every stream between kernels.

    Args:
        rtl: folder written by `rtl`.
        inputs: (N, *input shape); None generates adversarial and random ones.
        progress: called now and then.

    Raises:
        DesignError: the folder is damaged, or not what bnnedge writes.
        MismatchError, SimulationError, ToolMissingError: see `bnnedge.simulation.check`.
    """
    from bnnedge.simulation import check

    if waves.trace is not None:
        check_output_file(waves.trace, FST)
        config = config.traced(_TRACED_IMAGES)
    with own_copy(rtl, trust=trust.trust) as own:
        return check(own, config, inputs=inputs, trace=waves.trace, progress=progress)


@keywords
def hls(
    rtl: Path, out: Path, config: HlsConfig, trust: Trust, *, progress: Progress = silent
) -> "Artifact[HlsFacts]":
    """Write the twin of an RTL folder in HLS C++, with test vectors of generated images.

    Args:
        rtl: folder written by `rtl`.
        out: folder to publish.
        progress: called at each step.

    Raises:
        ConfigError, DesignError, MismatchError, ToolMissingError: see `bnnedge.vitis_hls.emit`.
    """
    from bnnedge.equality import stimuli
    from bnnedge.vitis_hls import emit

    def vectors(graph: Dataflow) -> NDArray[Any]:
        return stimuli(graph, config.images, seed=0)

    with own_copy(rtl, trust=trust.trust) as own:
        return emit(own, config, out, vectors=vectors, progress=progress)


@checked
def emulate(dataflow: Path, inputs: NDArray[Any]) -> NDArray[np.int64]:
    """Run a Dataflow folder on inputs (N, *input shape): integer logits (N, K) or classes (N,).

    See `bnnedge.emulator.Emulator`.
    """
    from bnnedge.emulator import Emulator

    graph = Dataflow.load(dataflow)
    check_input(dataflow)
    return Emulator(graph)(inputs)


@keywords
def synth(
    rtl: Path, out: Path, config: SynthesisConfig, trust: Trust, *, progress: Progress = silent
) -> "Artifact[SynthesisFacts]":
    """Make a bitstream of an RTL folder; for a Zynq an estimate and Vivado's project, run or not.

    See `bnnedge.synthesis.synthesise`.
    """
    from bnnedge.synthesis import synthesise

    with own_copy(rtl, trust=trust.trust) as own:
        return synthesise(own, config, out, progress=progress)


@keywords
def verify_bits(
    bitstream: Path,
    rtl: Path,
    config: VerifyConfig,
    trust: Trust,
    *,
    progress: Progress = silent,
) -> "BitsCheck":
    """Compare a bitstream file, read back, with what an RTL folder is.

    See `bnnedge.synthesis.verify_bits`.
    """
    from bnnedge.synthesis import verify_bits as run

    with own_copy(rtl, trust=trust.trust) as own:
        return run(bitstream, own, config, progress=progress)


@keywords
def package(build: Path, out: Path, trust: Trust) -> "Artifact[PackageFacts]":
    """Pack what a board needs from a build folder (with `rtl/`, `synth/`, perhaps `export/`).

    See `bnnedge.deployment.package`.
    """
    from bnnedge.deployment import package as run
    from bnnedge.exporter.facts import EXPORT
    from bnnedge.hardware.facts import RTL
    from bnnedge.synthesis.facts import SYNTH

    exported = build / EXPORT.kind
    inputs = test_images(exported) if exported.is_dir() else None
    with own_copy(build / RTL.kind, trust=trust.trust) as own:
        return run(own, build / SYNTH.kind, out, inputs=inputs)


@checked
def test_images(export: Path) -> NDArray[np.float32]:
    """The test images, or examples, (N, *input shape) in an export folder."""
    from bnnedge.exporter.facts import MADE

    path = export / REFERENCE_FILE
    reference = read_npz(path, ("inputs", "labels"))
    inputs, labels = reference["inputs"], reference["labels"]
    if labels.shape != inputs.shape[:1]:
        raise DataError(f"{path}: wanted a label for each input, got {inputs.shape} {labels.shape}")
    real: NDArray[np.bool_] = labels != MADE
    return inputs[real]


@keywords
def deploy(package: Path, config: DeployConfig, trust: Trust) -> "Deployment":
    """Run a package's examples on the simulated device, or on a board at a serial port.

    See `bnnedge.deployment.deploy`.
    """
    from bnnedge.deployment import deploy as run

    check_input(package)
    with _packaged_rtl(package, trusted=config.port is not None or trust.trust) as rtl:
        return run(package, port=config.port, program=config.program, images=config.images, rtl=rtl)


@contextlib.contextmanager
def _packaged_rtl(package: Path, *, trusted: bool) -> Iterator[Path | None]:
    """A verified copy of what the simulated device is compiled of; None: it is not verified."""
    from bnnedge.deployment import DATAFLOW_FOLDER, RTL_FOLDER, open_package

    if trusted:
        yield None
        return
    open_package(package)  # says what is wrong with it before its RTL is looked at
    with own_copy(package / RTL_FOLDER, dataflow=package / DATAFLOW_FOLDER) as rtl:
        yield rtl


@checked
def fetch(dataset: str, folder: Path | None = None) -> "Fetched":
    """Fetch a data set into `folder` or the user's cache; see `bnnedge.data.fetch.fetch`."""
    from bnnedge.data.config import DatasetName
    from bnnedge.data.fetch import fetch as run

    return run(member_of("fetch: dataset", dataset, DatasetName), folder)
