"""Every rename, mkdir and fsync, and the first and last write of each file, fails once.

What follows is one line that says so, with the old result whole, or the new one.
"""

import errno
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bnnedge import artifacts
from tests.processes import is_of_torch

_SHIM = Path(__file__).with_name("shim.c")
_RECIPE = """
name = "small"
[network]
topology = "mlp"
hidden = [16]
[data]
dataset = "digits"
encoding = "threshold"
threshold = 8.0
[training]
epochs = 1
batch_size = 64
learning_rate = 0.03
seed = {seed}
"""
_ERRORS = (errno.ENOSPC, errno.EIO)


@dataclass(frozen=True, kw_only=True, order=True)
class Call:
    """A call that can fail: its number in a run of the command, what it does, and to which file."""

    number: int
    what: str
    process: str
    path: str


class Server:
    """The process of `server.py`; everything is below one folder."""

    def __init__(self, root: Path, child: "subprocess.Popen[str]") -> None:
        self.root, self._child = root, child

    def run(self, *argv: object, failing: int = 0, error: int = 0, log: bool = False) -> int:
        """Exit status of a command."""
        request = {
            "argv": [str(word) for word in argv],
            "failing": failing,
            "error": error,
            "log": log,
            "output": str(self.root.parent / "output"),
        }
        assert self._child.stdin is not None and self._child.stdout is not None
        print(json.dumps(request), file=self._child.stdin, flush=True)
        return int(json.loads(self._child.stdout.readline())["status"])

    @property
    def output(self) -> str:
        """What the last command printed."""
        return (self.root.parent / "output").read_text()

    def calls(self, *argv: object) -> list[Call]:
        """The calls that a command makes and that shall fail."""
        log = self.root.parent / "log"
        log.write_text("")
        assert self.run(*argv, log=True) == 0, self.output
        fields = [line.split("\t") for line in log.read_text().splitlines()]
        calls = [Call(number=int(n), what=w, process=p, path=x) for n, w, p, x in fields]
        written: dict[tuple[str, str], list[Call]] = {}
        for call in calls:
            if call.what == "write":
                written.setdefault((call.process, call.path), []).append(call)
        ends = {call.number for of in written.values() for call in (of[0], of[-1])}
        return [call for call in calls if call.what != "write" or call.number in ends]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("faults")
    root = base / "root"
    for folder in (root, root / "tmp", root / "cache"):
        folder.mkdir()
    shim = base / "shim.so"
    argv = ["g++", "-x", "c", "-shared", "-fPIC", "-O1", str(_SHIM), "-o", str(shim), "-ldl"]
    subprocess.run(argv, check=True)
    (base / "state").write_bytes(bytes(16))
    (base / "log").touch()
    environment = {
        **os.environ,
        "LD_PRELOAD": str(shim),
        "FAULTS_ROOT": str(root),
        "FAULTS_STATE": str(base / "state"),
        "FAULTS_LOG": str(base / "log"),
        "TMPDIR": str(root / "tmp"),
        "XDG_CACHE_HOME": str(root / "cache"),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        server = Server(root, child)
        for seed, name in enumerate("ab"):
            chain = root / name
            chain.mkdir()
            (chain / "recipe.toml").write_text(_RECIPE.format(seed=seed))
            for argv_of in _CHAIN:
                assert server.run(*_filled(argv_of, chain, chain)) == 0, server.output
        yield server
        assert child.stdin is not None
        child.stdin.close()


_CHAIN: tuple[tuple[str, ...], ...] = (
    ("train", "{in}/recipe.toml", "-o", "{out}/train"),
    ("export", "{in}/train", "-o", "{out}/export"),
    ("lower", "{in}/export", "-o", "{out}/lower"),
    ("rtl", "{in}/lower", "-o", "{out}/rtl"),
    ("synth", "{in}/rtl", "--board", "pynq-z1", "--no-vivado", "-o", "{out}/synth"),
    ("package", "{in}", "-o", "{out}/package"),
    ("hls", "{in}/rtl", "--check", "-o", "{out}/hls"),
    ("fifos", "{in}/rtl", "-o", "{out}/fifos"),
)
# Calls of one command that fail, of those that could: what runs tools takes seconds a call.
_MOST_CALLS = {"synth": 40, "hls": 40, "fifos": 40}


def _filled(argv: Sequence[str], inputs: Path, out: Path) -> list[str]:
    return [word.replace("{in}", str(inputs)).replace("{out}", str(out)) for word in argv]


def _record(folder: Path) -> tuple[str, Any]:
    """What a whole artifact is: no file of it may have changed."""
    artifact = artifacts.load(folder)
    assert artifact.changed() == artifact.added() == ()
    return artifact.fingerprint, artifact.files


def _left(root: Path) -> list[str]:
    """Temporary files and folders."""
    patterns = ("tmp/*", "work/.*", "cache/bnnedge/*/bnnedge-work-*")
    found = [path for pattern in patterns for path in root.glob(pattern)]
    return [str(path.relative_to(root)) for path in found if not is_of_torch(path)]


@pytest.mark.slow
@pytest.mark.parametrize("verb", [argv[0] for argv in _CHAIN])
def test_a_failing_call_is_one_line_and_loses_nothing(server: Server, verb: str) -> None:
    root, work = server.root, server.root / "work"
    kept = [verb, *(["train.replaced-1"] if verb == "train" else [])]
    old, cache = root / "a" / verb, root / "cache"
    (argv_of,) = (argv for argv in _CHAIN if argv[0] == verb)
    argv = [*_filled(argv_of, root / "b", work), "--replace"]

    def begin() -> None:
        for folder in (work, cache, root / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        (root / "tmp").mkdir()
        shutil.copytree(root.parent / "warm", cache)
        shutil.copytree(old, work / verb)

    shutil.rmtree(root.parent / "warm", ignore_errors=True)
    shutil.copytree(cache, root.parent / "warm")
    for entry in (root.parent / "warm/bnnedge").glob("*/*"):
        if not entry.name.startswith("runtime-"):
            shutil.rmtree(entry, ignore_errors=True)
    begin()
    calls = server.calls(*argv)
    new = _record(work / verb)
    assert new[0] != _record(old)[0] and calls
    rng = random.Random(0)
    for call in sorted(rng.sample(calls, min(len(calls), _MOST_CALLS.get(verb, len(calls))))):
        for error in _ERRORS:
            begin()
            status = server.run(*argv, failing=call.number, error=error)
            said = (call, os.strerror(error), status, server.output)
            lines = [line for line in server.output.splitlines() if line.startswith("bnnedge: ")]
            assert status in (0, 1) and len(lines) == status, said
            assert "internal error" not in server.output and "Traceback" not in server.output, said
            found = _record(work / verb)
            assert found[0] in ((new[0],) if status == 0 else (new[0], _record(old)[0])), said
            assert sorted(path.name for path in work.iterdir() if path.name in kept), said
            assert not _left(root), (said, _left(root))
