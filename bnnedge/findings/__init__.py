"""What stages find, as plain values: checks, and the parts of a report.

A part that is None or empty was not measured and is left out of the page; a step that could not
run is named in `not_run`, with its reason. Accuracies and shares are fractions in [0, 1].
"""

from bnnedge.findings.accuracy import Accuracy, Epoch, Example
from bnnedge.findings.checks import Check, Mismatch, Verdict, equal
from bnnedge.findings.hardware import (
    Fifo,
    HighWater,
    Layer,
    Link,
    Pipeline,
    SimulationSpeed,
    Storage,
    StreamActivity,
)
from bnnedge.findings.report import (
    Command,
    FileDigest,
    NodeFate,
    NotRun,
    ReportData,
    StageTime,
    Tool,
)
from bnnedge.findings.synthesis import (
    Board,
    ClockDomain,
    Hold,
    LayerResources,
    ResourceUse,
    Synthesis,
)

__all__ = [
    "Accuracy",
    "Board",
    "Check",
    "ClockDomain",
    "Command",
    "Epoch",
    "Example",
    "Fifo",
    "FileDigest",
    "HighWater",
    "Hold",
    "Layer",
    "LayerResources",
    "Link",
    "Mismatch",
    "NodeFate",
    "NotRun",
    "Pipeline",
    "ReportData",
    "ResourceUse",
    "SimulationSpeed",
    "StageTime",
    "Storage",
    "StreamActivity",
    "Synthesis",
    "Tool",
    "Verdict",
    "equal",
]
