"""What an export found."""

from dataclasses import dataclass

from bnnedge.findings import Check, equal
from bnnedge.stages import Stage, figures

_SIDES = ("PyTorch", "QONNX")


@dataclass(frozen=True, kw_only=True)
class ExportFacts:
    """What PyTorch and the QONNX graph agree on.

    Attributes:
        test_images: of the data set that were compared.
        adversarial_inputs: made for the comparison.
        numbers_compared: outputs of layers, and logits.
        channel_accumulator_pairs_compared: decisions of BatchNorm and sign.
        test_accuracy: share of right classes of the test images.
        remarks: what a user should know.
    """

    test_images: int
    adversarial_inputs: int
    numbers_compared: int
    channel_accumulator_pairs_compared: int
    test_accuracy: float
    remarks: tuple[str, ...]


def _checks(facts: ExportFacts) -> tuple[Check, ...]:
    return (
        equal(
            *_SIDES,
            "every layer's output and the logits, test and adversarial images",
            images=facts.test_images + facts.adversarial_inputs,
            values=facts.numbers_compared,
        ),
        equal(
            *_SIDES,
            "BatchNorm and sign of every channel at every reachable accumulator",
            values=facts.channel_accumulator_pairs_compared,
        ),
    )


def _lines(facts: ExportFacts) -> list[str]:
    return [*figures(facts), *(f"remark: {remark}" for remark in facts.remarks)]


EXPORT = Stage(
    kind="export",
    facts=ExportFacts,
    rooms=("exporter",),
    compares=_SIDES,
    checks=_checks,
    lines=_lines,
    shown=("*.onnx",),
)
