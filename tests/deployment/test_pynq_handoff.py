"""PYNQ's own parser and DMA class find in a project's .hwh what the driver needs of it.

PYNQ wants older packages than this project has, so it gets an environment of its own, made by pip.
The .hwh is the model's: it has the elements of a real one, but Vivado has not written it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bnnedge.deployment.runtime.axi import DEVICE_NAME, DMA_NAME
from tests.synthesis.projects import emit_mlp, project, zynq

pytest.importorskip("tkinter", reason="needs Python with Tcl (apt install python3-tk)")
from tests.synthesis.vivado_model import VivadoModel

READER = Path(__file__).with_name("pynq_reads_handoff.py")
PYNQ = "pynq==4.0.0"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has PYNQ, and not this project."""
    folder = tmp_path_factory.mktemp("pynq")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", PYNQ], check=True)
    return folder / "bin" / "python"


def read(python: Path, handoff: Path, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-I", READER, handoff], cwd=cwd, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "control", "port_bytes", "divisor"),
    [
        ("pynq-z2", 0x4000_0000, 8, 16),
        ("zybo-z7-10", 0x4000_0000, 8, 16),
        ("kv260", 0xA000_0000, 16, 15),
    ],
)
def test_pynq_finds_what_the_driver_needs(
    board: str, control: int, port_bytes: int, divisor: int, python: Path, tmp_path: Path
) -> None:
    folder = project(emit_mlp(tmp_path), zynq(board), tmp_path / "vivado")
    VivadoModel().run(folder / "build.tcl")
    found = read(python, folder / "output" / "random.hwh", tmp_path)
    assert f"pynq=={found.pop('pynq')}" == PYNQ
    assert found == {
        "bound": True,
        "addresses": {DMA_NAME: [control, 1 << 16], DEVICE_NAME: [control + (1 << 16), 1 << 16]},
        "scatter_gather": False,
        "most_bytes": (1 << 26) - 1,
        "send_bytes": port_bytes,
        "receive_bytes": port_bytes,
        # Of Vivado's PLL, which the board may not have: the driver sets the clock by itself.
        "clock": {"enable": 1, "divisor0": divisor, "divisor1": 1},
    }
