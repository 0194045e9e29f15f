"""The kernel of ARM processors, where a cross compiler and an emulator of one are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bnnedge.emulator import library

COMPILER = shutil.which("aarch64-linux-gnu-gcc")
PROCESSOR = shutil.which("qemu-aarch64")


@pytest.mark.skipif(not (COMPILER and PROCESSOR), reason="no aarch64-linux-gnu-gcc, qemu-aarch64")
def test_neon_equals_plain_c(tmp_path: Path) -> None:
    source = Path(__file__).parent / "c" / "neon.c"
    flags = ["-std=gnu11", "-O3", "-fno-strict-aliasing", "-fwrapv", "-static"]
    flags += [f"-I{Path(library.__file__).parent / 'c'}"]
    program = tmp_path / "neon"
    subprocess.run([str(COMPILER), *flags, str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(PROCESSOR), str(program)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
