"""FINN takes seconds to import: only those who use it wait for it."""

import subprocess
import sys


def test_bnnedge_does_not_import_finn() -> None:
    code = "import sys, bnnedge, bnnedge.cli; assert 'finn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
