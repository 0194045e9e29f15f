"""Binarised networks, from PyTorch to bit-exact streaming XNOR-popcount accelerators.

The verbs of the command line are functions here too; they and `Dataflow` are imported when used.
"""

from typing import TYPE_CHECKING

from bnnedge.lazy import lazily

if TYPE_CHECKING:
    from bnnedge.artifacts import permitting
    from bnnedge.conversion import Model, convert
    from bnnedge.dataflow import Dataflow
    from bnnedge.evaluation import evaluate, evaluate_model, export_model
    from bnnedge.installation import doctor
    from bnnedge.pipeline import build, report
    from bnnedge.predictions import predict
    from bnnedge.verbs import (
        deploy,
        emulate,
        export,
        fetch,
        fifos,
        hls,
        lower,
        package,
        rtl,
        simulate,
        synth,
        train,
        verify_bits,
    )

__version__ = "0.2.0.dev0"
__all__ = [
    "Dataflow",
    "Model",
    "build",
    "convert",
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
    "predict",
    "report",
    "rtl",
    "simulate",
    "synth",
    "train",
    "verify_bits",
]


_HOMES = {
    "artifacts": ("permitting",),
    "conversion": ("Model", "convert"),
    "dataflow": ("Dataflow",),
    "evaluation": ("evaluate", "evaluate_model", "export_model"),
    "installation": ("doctor",),
    "pipeline": ("build", "report"),
    "predictions": ("predict",),
}
_ELSEWHERE = {name for names in _HOMES.values() for name in names}
__getattr__, __dir__, _ = lazily(
    __name__,
    _HOMES | {"verbs": tuple(name for name in __all__ if name not in _ELSEWHERE)},
    packages=("data", "models", "ops"),
)
