"""FINN takes seconds to import: only those who use it wait for it."""

import subprocess
import sys


def test_bnnedge_does_not_import_finn() -> None:
    code = "import sys, bnnedge, bnnedge.cli; assert 'finn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_steps_are_imported_before_a_simulator_is_chosen() -> None:
    """FINN's builder wants one at once; ours waits."""
    code = "import bnnedge.finn_backend.steps, finn.xsi; assert 'SimEngine' not in vars(finn.xsi)"
    subprocess.run([sys.executable, "-c", code], check=True)
