"""The only door to FINN: imported on demand, without AMD tools, quietly, leaving nothing behind.

Graph transformations need no tool and no build folder, but FINN configures logging when it is
imported and reads settings when some transformations run. Both are dealt with here, once.
"""

import functools
import logging
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any


@functools.cache
def finn() -> Any:
    """FINN's transformations that the recipe uses, as attributes named as FINN names them."""
    import finn.util.settings as settings
    from finn.transformation.streamline import absorb
    from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount

    logging.getLogger("finn_logger").setLevel(logging.ERROR)
    if settings._SETTINGS is None:
        # Without this FINN looks for a settings file below the home folder, and makes one.
        build = Path(tempfile.gettempdir()) / "bnnedge-finn"
        settings._SETTINGS = settings.FINNSettings.init(
            flow_config=build / "flow.yaml",
            finn_build_dir=str(build),
            auto_set_environment_vars=False,
        )
    return SimpleNamespace(
        AbsorbAddIntoMultiThreshold=absorb.AbsorbAddIntoMultiThreshold,
        AbsorbMulIntoMultiThreshold=absorb.AbsorbMulIntoMultiThreshold,
        ConvertBipolarMatMulToXnorPopcount=ConvertBipolarMatMulToXnorPopcount,
    )


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a lowering."""
    return {name: version(name) for name in ("finn-plus", "qonnx", "onnx", "onnxruntime", "numpy")}
