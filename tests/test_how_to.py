"""The how-to pages are done step by step, in a copy of the repository.

A block with a title is a file, or, as a diff, a change of one. Python without a title is run, and
so is bash; what stands in `sh` takes minutes, and is run by the slow tests.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.synthesis.projects import emit_mlp

_ROOT = Path(__file__).parents[1]
_PAGES = sorted(_ROOT.glob("docs/how-to/add-*.md"))
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of code, with its file if it is one."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for language, title, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Block(language=language, title=title, text=text)


def write(root: Path, block: Block) -> None:
    """Make or change the file that a block is about."""
    path = root / block.title
    if block.language != "diff":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return
    lines = block.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{block.title} has not once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(script: str, root: Path, environment: Mapping[str, str]) -> None:
    """Run lines of bash in the copy, with this Python and the copy's package."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=root,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(root), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"


def follow(page: Path, root: Path, cache: Path, *, slow: bool) -> None:
    """Do what a page says in a copy of the repository, in which a small network became RTL."""
    for name in ("bnnedge", "docs", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "golden")
        shutil.copytree(_ROOT / name, root / name, ignore=ignored)
    shutil.copy(_ROOT / "pyproject.toml", root)
    (root / "out").mkdir()
    emit_mlp(root / "out")
    environment = {"PYTEST_ADDOPTS": f"--compiled={cache}"}
    for block in blocks(page):
        if block.title:
            write(root, block)
        elif block.language == "python":
            (root / "page.py").write_text(block.text, encoding="utf-8")
            run("python page.py", root, environment)
        elif block.language == "bash" or (block.language == "sh" and slow):
            run(block.text, root, environment)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_its_steps_work(page: Path, tmp_path: Path, run_folder: Path) -> None:
    follow(page, tmp_path, run_folder / "cache", slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in _PAGES if any(block.language == "sh" for block in blocks(page))],
    ids=lambda page: page.stem,
)
def test_its_long_steps_work(page: Path, tmp_path: Path, run_folder: Path) -> None:
    follow(page, tmp_path, run_folder / "cache", slow=True)


def test_a_change_of_what_is_not_there_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    write(tmp_path, Block(language="diff", title="a.py", text=" one = 1\n+two = 2\n"))
    assert (tmp_path / "a.py").read_text() == "one = 1\ntwo = 2\n"
    with pytest.raises(AssertionError, match="a.py has not once"):
        write(tmp_path, Block(language="diff", title="a.py", text=" three = 3\n+four = 4\n"))


def test_a_command_that_fails_is_shown(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such test"):
        run("python -c 'raise SystemExit(\"no such test\")' | cat", tmp_path, {})


@pytest.mark.slow
def test_the_table_of_own_data_becomes_hardware(tmp_path: Path) -> None:
    page = [b for b in blocks(_ROOT / "docs/how-to/own-data.md") if b.title]
    for block in page:
        write(tmp_path, block)
    script = "python table.py; bnnedge train cells.toml -o train; bnnedge export train -o export;"
    script += "bnnedge lower export/model.onnx -o dataflow --name cells;"
    script += "bnnedge rtl dataflow --clock-mhz 50 --target-fps 1000000 -o rtl;"
    script += (
        "bnnedge simulate rtl; bnnedge evaluate dataflow --inputs cells.csv; python baseline.py"
    )
    run(script, tmp_path, {"PYTHONPATH": str(_ROOT)})
    record = json.loads((tmp_path / "train" / "checkpoint.json").read_text())
    assert record["metrics"]["test_accuracy"] > 0.9
