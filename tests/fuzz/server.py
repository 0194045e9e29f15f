"""Runs readers on damaged files, each in a forked child with limits.

The parent imports everything once. A child copies the whole folder, damages one file, and reads;
what it may say is "taken" or one line of a BnnEdgeError. Anything else is a defect.
"""

import dataclasses
import faulthandler
import fnmatch
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from bnnedge.deployment.runtime.errors import AcceleratorError
from bnnedge.errors import BnnEdgeError
from tests.fuzz.kind import Kind
from tests.fuzz.kinds import KINDS
from tests.fuzz.readers import READERS

MOST_BYTES = 1 << 30
MOST_SECONDS = 30
_MOST_CHARACTERS = 2000  # of a line
_CASES_PER_CHILD = 25
_TAKEN, _REFUSED = "taken", "refused"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a damaged file.

    Attributes:
        case: its number; with the seed, all that is needed to make it again.
        kind: of the file.
        what: "taken", "refused", or else a defect.
        detail: the line that refused it, or what went wrong.
        seconds: that it took.
    """

    case: int
    kind: str
    what: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def is_defect(self) -> bool:
        return self.what not in (_TAKEN, _REFUSED)

    def __str__(self) -> str:
        return f"case {self.case} ({self.kind}): {self.what}: {self.detail}"


class Server:
    """Damages files of all kinds.

    Args:
        folder: for whole files, and for the children's copies.
        seed: of all damage.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._whole: dict[str, Path] = {}
        self._kinds = [kind for kind in (*KINDS, *READERS) for _ in range(kind.share)]

    def run(self, cases: Sequence[int]) -> Iterator[Outcome]:
        """What becomes of each case, its file damaged, and of every kind's whole file before."""
        torch.set_num_threads(1)  # a forked child has no others
        for kind in {self.kind_of(case).name: self.kind_of(case) for case in cases}.values():
            self._made(kind)
            case = next(case for case in cases if self.kind_of(case) is kind)
            for whole in self._in_child([case], whole=True):
                if whole.what != _TAKEN:
                    yield dataclasses.replace(whole, what="the whole file was not taken")
        left = list(cases)
        while left:
            for outcome in self._in_child(left[:_CASES_PER_CHILD], whole=False):
                left.remove(outcome.case)
                yield outcome

    def run_commands(self, cases: Sequence[int]) -> Iterator[Outcome]:
        """The same through the command line, which must answer in one line."""
        for case in cases:
            kind = self.kind_of(case)
            if kind.command:
                self._made(kind)
                yield self._command(case, kind)

    def kind_of(self, case: int) -> Kind:
        return self._kinds[case % len(self._kinds)]

    def _made(self, kind: Kind) -> Path:
        if kind.name not in self._whole:
            whole = Path(tempfile.mkdtemp(dir=self._folder))
            kind.make(whole)
            self._whole[kind.name] = whole
        return self._whole[kind.name]

    def damage(self, case: int, folder: Path) -> str:
        """Copy the whole folder of a case's kind, and damage one file; what was done.

        Damage that changes nothing is done again in another way.
        """
        kind = self.kind_of(case)
        whole = self._made(kind)
        shutil.copytree(whole, folder, dirs_exist_ok=True, symlinks=True)
        rng = random.Random(f"{self._seed} {case}")
        names = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*"))
        pattern = rng.choice(kind.files)
        files = [n for n in names if fnmatch.fnmatch(n, pattern) and (whole / n).is_file()]
        path = folder / rng.choice(files)
        content = path.read_bytes()
        for _ in range(20):
            mutation = rng.choice(kind.mutations)
            try:
                damaged = mutation(rng, content)
            except (ValueError, KeyError, RecursionError, zipfile.BadZipFile):
                continue  # this way does not work on this file
            if damaged != content:
                break
        path.write_bytes(damaged)
        return f"{path.relative_to(folder)}: {mutation.__name__}"

    def _in_child(self, cases: Sequence[int], *, whole: bool) -> Iterator[Outcome]:
        """The outcomes of cases until a child has ended, which may be before the last of them."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            self._serve(cases, writer, whole)
        os.close(writer)
        with open(reader, "rb", buffering=0) as answers:  # noqa: PTH123 - a descriptor
            for case in cases:
                start = time.monotonic()
                answer = _read_line(answers, start + MOST_SECONDS)
                shutil.rmtree(self._folder / f"case-{case}", ignore_errors=True)
                if answer:
                    what, detail = json.loads(answer)
                elif answer is None:
                    what, detail = "endless", ""
                    os.kill(child, signal.SIGKILL)
                else:
                    what, detail = "died", ""
                yield Outcome(
                    case=case,
                    kind=self.kind_of(case).name,
                    what=what,
                    detail=detail,
                    seconds=time.monotonic() - start,
                )
                if not answer:
                    break
        os.waitpid(child, 0)

    def _serve(self, cases: Sequence[int], writer: int, whole: bool) -> None:
        try:
            faulthandler.disable()
            warnings.simplefilter("ignore")
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + MOST_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            for case in cases:
                what, detail = self._read(case, whole)
                os.write(writer, json.dumps((what, detail[:_MOST_CHARACTERS])).encode() + b"\n")
        finally:
            os._exit(0)

    def _read(self, case: int, whole: bool) -> tuple[str, str]:
        kind, folder = self.kind_of(case), self._folder / f"case-{case}"
        if whole:
            shutil.copytree(self._made(kind), folder)
            done = "whole"
        else:
            done = self.damage(case, folder)
        try:
            kind.read(folder)
        except (BnnEdgeError, AcceleratorError) as error:
            line = str(error)
            if "\n" in line or not line.isprintable():
                return "not one line", f"{done}: {line!r}"
            what = _REFUSED if len(line) <= _MOST_CHARACTERS else "a long line"
            return what, line if what == _REFUSED else f"{done}: {line}"
        except BaseException as error:
            trace = traceback.extract_tb(error.__traceback__)
            ours = [f"{Path(f.filename).name}:{f.lineno}" for f in trace][-4:]
            return type(error).__name__, f"{done}: {str(error)[:300]} ({' '.join(ours)})"
        changed = kind.exact and not whole
        return ("a changed file was taken", done) if changed else (_TAKEN, done)

    def _command(self, case: int, kind: Kind) -> Outcome:
        folder = self._folder / f"case-{case}"
        done = self.damage(case, folder)
        start = time.monotonic()
        arguments = [word.replace("{}", str(folder)) for word in kind.command]
        outcome = Outcome(case=case, kind=kind.name, what=_TAKEN, detail=done)
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "bnnedge", *arguments],
                capture_output=True,
                text=True,
                timeout=8 * MOST_SECONDS,
                errors="backslashreplace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return dataclasses.replace(outcome, what="endless", detail=f"{arguments}: {done}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        lines = [line for line in ended.stderr.splitlines() if line.startswith("bnnedge: ")]
        text = ended.stdout + ended.stderr
        if ended.returncode == 0:
            what = _TAKEN
        elif ended.returncode in (1, 2) and len(lines) == 1:
            what = _REFUSED
        else:
            what = f"exit {ended.returncode} with {len(lines)} lines"
        if "Traceback" in text or "internal error" in text:
            what = "internal error"
        if what != _TAKEN:
            last = ended.stderr.strip().splitlines()[-1:] or ["no line"]
            done = lines[0] if lines and what == _REFUSED else f"{done}: {last[0][:300]}"
        return dataclasses.replace(
            outcome, what=what, detail=done, seconds=time.monotonic() - start
        )


def summary(outcomes: Sequence[Outcome]) -> str:
    """Counts by kind and outcome, and every defect."""
    counts: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        key = "defect" if outcome.is_defect else outcome.what
        counts.setdefault(outcome.kind, Counter())[key] += 1
    lines = [f"{'kind':32} {_REFUSED:>8} {_TAKEN:>8} {'defects':>8}"]
    for kind, count in sorted(counts.items()):
        lines.append(f"{kind:32} {count[_REFUSED]:8} {count[_TAKEN]:8} {count['defect']:8}")
    total = sum(counts.values(), Counter[str]())
    lines.append(f"{'all':32} {total[_REFUSED]:8} {total[_TAKEN]:8} {total['defect']:8}")
    if outcomes:
        slowest = max(outcomes, key=lambda outcome: outcome.seconds)
        lines.append(f"slowest: {slowest.seconds:.1f} s, case {slowest.case} ({slowest.kind})")
    return "\n".join([*lines, *(str(o) for o in outcomes if o.is_defect)])


def _read_line(source: IO[bytes], deadline: float) -> bytes | None:
    """A line from a pipe; nothing at its end, None if neither comes before the deadline."""
    line = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([source], [], [], left)[0]:
            byte = source.read(1)
            if byte in (b"", b"\n"):
                return line
            line += byte
    return None
