"""README's own network becomes what README says, line by line."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

_README = Path(__file__).parents[1] / "README.md"
_BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", _README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
_OWN = next(index for index, block in enumerate(_BLOCKS) if "bnnedge.convert" in block)


def _run(parts: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    threads, names = torch.get_num_threads(), dict[str, Any]()
    torch.set_num_threads(1)  # they wait for each other where others work, too
    try:
        for block in _BLOCKS[_OWN : _OWN + parts]:
            exec(block, names)
    finally:
        torch.set_num_threads(threads)
    return names


def test_it_is_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(1, tmp_path, monkeypatch)
    accuracy, *summary = capsys.readouterr().out.splitlines()
    assert float(accuracy) > 0.9 and summary[-1].startswith("total")
    stages = {path.name for path in (tmp_path / "out" / "cancer").iterdir()}
    assert stages == {"export", "lower", "rtl", "simulate"}


@pytest.mark.slow
def test_it_becomes_a_bitstream_that_the_simulated_board_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _run(2, tmp_path, monkeypatch)["model"]
    assert list((model.folder / "synth").glob("*.bit"))
    page = (model.folder / "report.html").read_text()
    assert "Every check passed" in page and "simulated board" in page


def test_it_takes_few_lines() -> None:
    lines = "".join(_BLOCKS[_OWN : _OWN + 2]).splitlines()
    network = lines.index(next(line for line in lines if line.startswith("network =")))
    own = {*range(network, lines.index(")", network) + 1)}
    beside = [
        line
        for number, line in enumerate(lines)
        if line and number not in own and "bnnedge.ops" not in line
    ]
    assert len(beside) <= 15


def test_a_script_beside_a_folder_of_that_name_finds_the_package(tmp_path: Path) -> None:
    """Such as one beside a clone."""
    (tmp_path / "bnnedge").mkdir()
    script = tmp_path / "mine.py"
    script.write_text("import bnnedge\nassert bnnedge.__file__", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, check=True)
