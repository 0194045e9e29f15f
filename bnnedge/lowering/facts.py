"""What a lowering found."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.arrays import read_npz
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.findings import Check, Example, NodeFate, ReportData, equal
from bnnedge.lowering.fates import Fate
from bnnedge.lowering.notes import Lift
from bnnedge.records import to_json
from bnnedge.stages import Stage

REFERENCE_FILE = "reference.npz"
_EXAMPLES = 16
_CHECKS = {
    "original": ("QONNX", "Dataflow", "random and adversarial inputs"),
    "reference": ("QONNX", "Dataflow", "test and adversarial images"),
    "pytorch": ("PyTorch", "Dataflow", "accumulators and logits, test and adversarial images"),
    "finn": ("Dataflow", "FINN graph", "accumulators"),
}


@dataclass(frozen=True, kw_only=True)
class LoweredLayer:
    """A layer: its name in the Dataflow, that of its node in the graph, and its matrix, or
    tables and inputs of each.
    """

    name: str
    node: str
    mh: int
    mw: int


@dataclass(frozen=True, kw_only=True)
class EncodedInput:
    """The encoding of the input: its name, the type of an element, and how many there are."""

    name: str
    element: str
    elements: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one comparison counted.

    Attributes:
        images: that were compared.
        bits: of layers between.
        outputs: numbers of the last layer.
        rounding_images: that met rounding inside the original's own sums, and were compared up to
            there.
    """

    images: int
    bits: int | None = None
    outputs: int | None = None
    rounding_images: int | None = None


@dataclass(frozen=True, kw_only=True)
class LoweringFacts:
    """A lowered network.

    Attributes:
        layers: that compute with weights.
        encoding: of the input.
        lifted: float factors and biases taken out of sums.
        remarks: what a user should know.
        checks: what was compared, by the other side's name.
        fates: what became of every node of the graph.
    """

    layers: tuple[LoweredLayer, ...]
    encoding: EncodedInput
    lifted: tuple[Lift, ...]
    remarks: tuple[str, ...]
    checks: Mapping[str, Counts]
    fates: tuple[Fate, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """A graph on its way to a Dataflow.

    Attributes:
        step: the last one that was done.
        nodes: of the graph behind it.
        fates: what became of every node of the file.
    """

    step: str
    nodes: int
    fates: tuple[Fate, ...]


def _checks(facts: LoweringFacts) -> tuple[Check, ...]:
    return checks_of(facts.checks)


def checks_of(found: Mapping[str, Counts]) -> tuple[Check, ...]:
    """What comparisons established, by the other side's name."""
    return tuple(
        equal(*_CHECKS[side], images=counts.images, values=counts.outputs)
        for side, counts in found.items()
        if side in _CHECKS
    )


def _lines(facts: LoweringFacts) -> list[str]:
    return [
        *(f"{layer.name}: {layer.mw} → {layer.mh}" for layer in facts.layers),
        *(f"remark: {remark}" for remark in facts.remarks),
        *(f"equal to {side}: {_counted(counts)}" for side, counts in facts.checks.items()),
    ]


def _counted(counts: Counts) -> str:
    numbers: Mapping[str, int | None] = to_json(counts)
    return ", ".join(f"{count} {what}" for what, count in numbers.items() if count is not None)


def _section(
    report: ReportData, artifact: Artifact[LoweringFacts], read: tuple[Path, ...]
) -> ReportData:
    """The network's shape, and what it makes of the test set in the folder that was exported."""
    dataflow = Dataflow.load(artifact.folder)
    report = dataclasses.replace(
        report,
        topology=_topology(dataflow),
        nodes=tuple(
            NodeFate(node=fate.node, op=fate.op, fate=fate.text) for fate in artifact.facts.fates
        ),
    )
    if not read:  # an ONNX file from elsewhere
        return report
    (export,) = read
    arrays = read_npz(export / REFERENCE_FILE, ("inputs", "labels"))
    real = arrays["labels"] >= 0
    inputs, labels = arrays["inputs"][real], arrays["labels"][real]
    accuracy = report.accuracy
    classes: tuple[str, ...] = ()
    if accuracy is not None:
        classes = dataflow.meaning.class_names or accuracy.classes
        counts = np.zeros((len(classes),) * 2, np.int64)
        np.add.at(counts, (labels, dataflow.classify(inputs)), 1)
        confusion = tuple(tuple(map(int, row)) for row in counts)
        accuracy = dataclasses.replace(accuracy, confusion=confusion, classes=classes)
    return dataclasses.replace(
        report,
        accuracy=accuracy,
        examples=_examples(dataflow, inputs[:_EXAMPLES], labels[:_EXAMPLES], classes),
    )


def _topology(dataflow: Dataflow) -> str:
    """The input's size and every layer's outputs, e.g. "784-64-10" or "28x28x1-20-10"."""
    size = "x".join(map(str, dataflow.input.output_shape))
    return "-".join([size, *(str(layer.mh) for layer in dataflow.layers)])


def _examples(
    dataflow: Dataflow,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
) -> tuple[Example, ...]:
    """Test images, where an input is a grey picture, or a row that can be a square."""
    sizes = [size for size in dataflow.input.input_shape if size > 1]
    height, width = sizes if len(sizes) == 2 else [math.isqrt(dataflow.input.elements)] * 2
    if len(sizes) > 2 or height * width != dataflow.input.elements or not classes:
        return ()
    largest = max(1.0, float(inputs.max()))
    grey = (inputs.reshape(len(inputs), -1) * (255 / largest)).astype(np.uint8)
    return tuple(
        Example(
            pixels=pixels.tobytes(),
            height=height,
            width=width,
            predicted=classes[guess],
            expected=classes[label],
        )
        for pixels, guess, label in zip(grey, dataflow.classify(inputs), labels, strict=True)
    )


LOWER = Stage(
    kind="lower",
    facts=LoweringFacts,
    rooms=("lowering",),
    compares=("QONNX", "Dataflow"),
    checks=_checks,
    section=_section,
    lines=_lines,
    shown=("*.onnx", "dataflow.json", "weights.npz"),
)

UNTIL = Stage(
    kind="lower --until",
    facts=GraphFacts,
    rooms=("lowering",),
    lines=lambda facts: [f"{facts.nodes} nodes behind {facts.step}"],
    shown=("*.onnx",),
)
