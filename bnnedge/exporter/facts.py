"""What an export found."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from bnnedge.arrays import read_npz
from bnnedge.artifacts import Artifact
from bnnedge.findings import Accuracy, Check, ReportData, equal
from bnnedge.stages import Stage, figures

REFERENCE_FILE = "reference.npz"
MADE, UNKNOWN = -1, -2  # labels in `reference.npz` of made inputs, and of examples without one
_SIDES = ("PyTorch", "QONNX")


@dataclass(frozen=True, kw_only=True)
class ExportFacts:
    """What PyTorch and the QONNX graph agree on.

    Attributes:
        test_images: of the data set, or examples given, that were compared.
        adversarial_inputs: made for the comparison.
        numbers_compared: outputs of layers, and logits.
        channel_accumulator_pairs_compared: decisions of BatchNorm and sign.
        test_accuracy: share of right classes of the test images; None: these are not known.
        remarks: what a user should know.
    """

    test_images: int
    adversarial_inputs: int
    numbers_compared: int
    channel_accumulator_pairs_compared: int
    test_accuracy: float | None
    remarks: tuple[str, ...]


def _checks(facts: ExportFacts) -> tuple[Check, ...]:
    pairs = facts.channel_accumulator_pairs_compared
    what = "every layer's output and the logits" if pairs else "logits"
    images = equal(
        *_SIDES,
        f"{what}, test and adversarial images",
        images=facts.test_images + facts.adversarial_inputs,
        values=facts.numbers_compared,
    )
    if not pairs:  # a module of one's own, whose layers are not known
        return (images,)
    return (
        images,
        equal(
            *_SIDES,
            "BatchNorm and sign of every channel at every reachable accumulator",
            values=pairs,
        ),
    )


def _section(
    report: ReportData, artifact: Artifact[ExportFacts], read: tuple[Path, ...]
) -> ReportData:
    """The accuracy on examples, where no training has said it; classes are numbers."""
    facts = artifact.facts
    if report.accuracy is not None or facts.test_accuracy is None:
        return report
    logits = read_npz(artifact.folder / REFERENCE_FILE, ("logits",))["logits"]
    accuracy = Accuracy(
        test=facts.test_accuracy,
        images=facts.test_images,
        classes=tuple(map(str, range(logits.shape[1]))),
    )
    return dataclasses.replace(report, accuracy=accuracy)


def _lines(facts: ExportFacts) -> list[str]:
    return [*figures(facts), *(f"remark: {remark}" for remark in facts.remarks)]


EXPORT = Stage(
    kind="export",
    facts=ExportFacts,
    rooms=("exporter",),
    compares=_SIDES,
    checks=_checks,
    section=_section,
    lines=_lines,
    shown=("*.onnx",),
)
