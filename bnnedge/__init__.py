"""Binarised networks, from PyTorch to bit-exact streaming XNOR-popcount accelerators.

The verbs of the command line are functions here too; they and `Dataflow` are imported when used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnnedge.artifacts import permitting
    from bnnedge.dataflow import Dataflow
    from bnnedge.pipeline import build
    from bnnedge.verbs import (
        deploy,
        doctor,
        emulate,
        evaluate,
        evaluate_model,
        export,
        export_model,
        fetch,
        fifos,
        hls,
        lower,
        package,
        rtl,
        simulate,
        synth,
        train,
    )

__version__ = "0.2.0.dev0"
__all__ = [
    "Dataflow",
    "build",
    "deploy",
    "doctor",
    "emulate",
    "evaluate",
    "evaluate_model",
    "export",
    "export_model",
    "fetch",
    "fifos",
    "hls",
    "lower",
    "package",
    "permitting",
    "rtl",
    "simulate",
    "synth",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"Dataflow": "dataflow", "build": "pipeline", "permitting": "artifacts"}.get(
        name, "verbs"
    )
    return getattr(importlib.import_module(f"bnnedge.{home}"), name)
