"""The only door to FINN: imported on demand and quietly.

Graph transformations need no AMD tool, no settings and no build folder. FINN's settings object,
which the rest of FINN wants, would make a folder below the user's home, so it is not made here.
"""

import functools
import logging
from importlib.metadata import version
from types import SimpleNamespace


@functools.cache
def finn() -> SimpleNamespace:
    """FINN's transformations that the recipe uses, as attributes named as FINN names them."""
    from finn.transformation.streamline import absorb, reorder
    from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul

    logging.getLogger("finn_logger").setLevel(logging.ERROR)
    return SimpleNamespace(
        AbsorbConsecutiveTransposes=absorb.AbsorbConsecutiveTransposes,
        AbsorbTransposeIntoMultiThreshold=absorb.AbsorbTransposeIntoMultiThreshold,
        LowerConvsToMatMul=LowerConvsToMatMul,
        MakeMaxPoolNHWC=reorder.MakeMaxPoolNHWC,
    )


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a lowering."""
    return {name: version(name) for name in ("finn-plus", "qonnx", "onnx", "onnxruntime", "numpy")}
