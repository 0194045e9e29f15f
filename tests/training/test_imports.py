"""The packages that the command line imports stay light."""

import subprocess
import sys


def test_stage_packages_import_no_framework() -> None:
    code = (
        "import sys, bnnedge.data, bnnedge.data.fetch, bnnedge.models, bnnedge.ops;"
        "import bnnedge.training, bnnedge.exporter;"
        "print(*sorted({'torch', 'brevitas', 'onnx', 'sklearn', 'qonnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
