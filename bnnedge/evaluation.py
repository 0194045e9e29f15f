"""How accurate networks are: a Dataflow on a data set, a pretrained network through every stage."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked, member_of
from bnnedge.arrays import read_npy
from bnnedge.artifacts import Artifact, check_input
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ConfigError, DataError, MismatchError, named
from bnnedge.extras import Extra, require
from bnnedge.names import trained_name
from bnnedge.options import check_bounds, keywords, option
from bnnedge.progress import Progress, part_of, silent
from bnnedge.scratch import scratch
from bnnedge.simulation.config import MOST_IMAGES
from bnnedge.verbs import export, lower, rtl, simulate

if TYPE_CHECKING:
    from bnnedge.data.datasets import Split
    from bnnedge.exporter.facts import ExportFacts
    from bnnedge.models.pretrained import ModelCard

_EXPORTED_IMAGES = 100


class Backend(enum.Enum):
    """What computes the classes of a Dataflow, see `evaluate`."""

    REFERENCE = "reference"
    EMULATOR = "emulator"
    RTL = "rtl"


@dataclass(frozen=True, kw_only=True)
class ImagesConfig:
    """Which test images are taken, and from where.

    Attributes:
        folder: where the data set's files are; None: the user's cache.
        images: the first so many; None: all.

    Raises:
        ConfigError: a number is out of range.
    """

    folder: Path | None = option(None, help="Where the data set is; the user's cache by default.")
    images: int | None = option(None, help="Only the first so many.", least=1, most=MOST_IMAGES)

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig(ImagesConfig):
    """What runs a Dataflow on which test images.

    Attributes:
        backend: REFERENCE runs the Dataflow's interpreter, EMULATOR the bit-packed engine; RTL also
            simulates the hardware and requires it to answer the same. None: EMULATOR.
        inputs: instead of a data set: see `bnnedge.data.inputs.read_inputs`.
        labels: `.npy` of integers (N,); None: the folders of files tell their classes.
    """

    backend: Backend | None = option(None, help="What runs a DATAFLOW; emulator by default.")
    inputs: Path | None = option(
        None, help="Instead of a data set: an .npy, or a folder of files in folders, one a class."
    )
    labels: Path | None = option(None, help=".npy of (N,), the classes of --inputs in an .npy.")


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


@keywords
def evaluate(
    dataflow: Path,
    dataset: str | None = None,
    *,
    config: EvaluationConfig,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a Dataflow folder on the test set of a data set, or on inputs of one's own.

    Args:
        dataflow: the folder.
        dataset: a `DatasetName`'s value, e.g. "mnist"; None: `inputs` are given.
        progress: called now and then.

    Raises:
        DataError: the data set is missing or does not fit the network's input.
        MismatchError: the hardware differs.
    """
    if (dataset is None) == (config.inputs is None):
        raise ConfigError(
            f"evaluate wants either a data set ({named('dataset')}) or inputs ({named('inputs')})"
        )
    if config.inputs is None and config.labels is not None:
        raise ConfigError("evaluate: labels go with inputs, got a data set")
    backend = config.backend or Backend.EMULATOR
    graph = Dataflow.load(dataflow)
    check_input(dataflow)
    x, labels = (each[: config.images] for each in _labelled(graph, dataset, config))
    if backend is Backend.REFERENCE:
        classes = graph.classify(x)
    else:
        from bnnedge.emulator import Emulator

        classes = Emulator(graph).predict(x)
    if backend is Backend.RTL:
        _check_default_hardware(dataflow, x, progress)
    correct = int((classes == labels).sum())
    measured = dataset or str(config.inputs)
    return Evaluation(dataset=measured, backend=backend.value, images=len(labels), correct=correct)


def _labelled(
    graph: Dataflow, dataset: str | None, config: EvaluationConfig
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Inputs (N, *shape) and classes (N,), N ≥ 1."""
    if config.inputs is None:
        from bnnedge.data.config import DatasetName
        from bnnedge.data.datasets import load_dataset

        name = member_of("evaluate: dataset", dataset, DatasetName)
        test = load_dataset(name, config.folder).test
        return test.inputs, test.labels
    from bnnedge.data.inputs import read_inputs

    given = read_inputs(config.inputs, graph.meaning)
    count, classes = len(given.values), len(graph.output.values)
    if config.labels is None:
        labels = given.labels(graph.meaning, config.inputs)
    else:
        labels = read_npy(config.labels)
    wrong = labels.shape != (count,) or labels.dtype.kind not in "iu" or not count
    if wrong or labels.min() < 0 or labels.max() >= classes:
        range_ = "" if wrong else f" from {labels.min()} to {labels.max()}"
        raise DataError(
            f"{config.labels or config.inputs}: wanted {count} labels of 0…{classes - 1}, one for"
            f" each input, got {labels.dtype} {labels.shape}{range_}"
        )
    return given.values, labels.astype(np.int64)


@keywords
def evaluate_model(
    network: str, dataset: str, config: ImagesConfig, *, progress: Progress = silent
) -> tuple[Evaluation, Evaluation]:
    """Measure a pretrained network through PyTorch and, exported and lowered, through its Dataflow.

    Args:
        network: its name, e.g. "lenet5".
        dataset: what it was trained on, and is measured on.
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
    card, test = _pretrained(network, dataset, config.folder)
    test = test.take(np.arange(len(test))[: config.images])
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
    require("a pretrained network", Extra.TRAIN)
    from bnnedge.data.config import DatasetName
    from bnnedge.data.datasets import load_dataset
    from bnnedge.models.pretrained.cards import ModelCard

    card = ModelCard.load(trained_name(network, dataset))
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
    record = {
        "input_range": list(card.input_range),
        "classes": list(card.classes),
        "dataset": {"name": card.dataset},
    }
    save_checkpoint(checkpoint, load_card(card), record, test.images, test.labels)
    return checkpoint


def _both_classes(
    card: "ModelCard", test: "Split", work: Path, progress: Progress
) -> dict[str, NDArray[np.int64]]:
    """Classes of the test images by backend, "pytorch" first; stages go to `work`."""
    from bnnedge.emulator import Emulator
    from bnnedge.exporter.facts import EXPORT
    from bnnedge.models.pretrained.load import load_card

    # Both stages compare what they do on adversarial inputs; here only few images of the set.
    some = test.take(np.arange(len(test))[:_EXPORTED_IMAGES])
    checkpoint = _checkpoint(card, some, work)
    export(checkpoint, work / EXPORT.kind, progress=part_of(progress, 0.0, 0.3))
    lower(
        work / EXPORT.kind, work / "dataflow", name=card.name, progress=part_of(progress, 0.3, 0.5)
    )
    progress("running PyTorch", 0.5)
    classes = {"pytorch": load_card(card).predict(test.images)}
    progress("running the Dataflow", 0.6)
    dataflow = Dataflow.load(work / "dataflow")
    return {**classes, "dataflow": Emulator(dataflow).predict(test.inputs)}


def _check_default_hardware(dataflow: Path, x: NDArray[Any], progress: Progress) -> None:
    from bnnedge.hardware.facts import RTL

    with scratch() as work:
        out = work / RTL.kind
        rtl(dataflow, out)
        simulate(out, inputs=x, stalls=0.0, trust=True, progress=progress)
