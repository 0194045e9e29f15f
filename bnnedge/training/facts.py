"""What a training found."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bnnedge.artifacts import Artifact
from bnnedge.errors import ArtifactError
from bnnedge.files import load_json
from bnnedge.findings import Accuracy, Epoch, ReportData
from bnnedge.stages import Stage

CHECKPOINT_RECORD = "checkpoint.json"


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """Figures of a trained network.

    Attributes:
        best_epoch: whose weights were kept.
        train_accuracy: share of right classes on what it learnt from.
        validation_accuracy: the same on what the epoch was selected on.
        test_accuracy: the same on the test set.
        train_images: in each of the three.
        validation_images: see `train_images`.
        test_images: see `train_images`.
        norms_retuned: the statistics of the BatchNorms were taken anew afterwards.
        seconds: that it took.
    """

    best_epoch: int
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float
    train_images: int
    validation_images: int
    test_images: int
    norms_retuned: bool
    seconds: float


def _section(
    report: ReportData, artifact: Artifact[TrainingFacts], read: tuple[Path, ...]
) -> ReportData:
    record = load_json(artifact.folder / CHECKPOINT_RECORD, raises=ArtifactError)
    accuracy = Accuracy(
        test=artifact.facts.test_accuracy,
        images=artifact.facts.test_images,
        classes=tuple(record["classes"]),
        history=tuple(
            Epoch(
                epoch=epoch["epoch"],
                train_loss=epoch["loss"],
                validation_accuracy=epoch["validation_accuracy"],
            )
            for epoch in record["history"]
        ),
        selected_epoch=artifact.facts.best_epoch,
    )
    return dataclasses.replace(report, dataset=record["dataset"]["name"], accuracy=accuracy)


TRAIN = Stage(
    kind="train",
    facts=TrainingFacts,
    rooms=("training",),
    precious=True,
    section=_section,
)
