"""Faults that a seeded generator makes in the kernels whose function is proven.

    python -m tests.proofs.mutants 200              # the score, and what survives: an hour
    python -m tests.proofs.mutants 60 xnor_mvu      # of these modules alone

A mutant is one edit of a module's text: an operator, a constant, a condition or an index. It is
killed if it is no legal module any more, if a proof fails or a cover is not reached, if it has a
lint warning, as no kernel may have, or if a frame is late. Those that are left have to pass the
default tests of kernels, in a copy of the project. One that survives has all properties with all
parameters that are tried.
"""

import dataclasses
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import BnnEdgeError
from bnnedge.hardware.kernels import SV_FOLDER
from bnnedge.verilated.verilator import lint
from tests.proofs.cases import PACES, PROOFS
from tests.proofs.prover import Proof, in_time, prove, sources

MODULES = (
    "arg_max",
    "concat",
    "crop",
    "crop_axis",
    "integer_mvu",
    "line_buffer",
    "loop_counter",
    "mvu_fold",
    "pad_channels",
    "popcount",
    "result_stage",
    "signed_sum",
    "sliding_window",
    "stream_fifo",
    "stream_fork",
    "stream_width_converter",
    "threshold",
    "top_k",
    "xnor_mvu",
)
SEED = 7
_PROJECT = Path(__file__).parents[2]
_TESTS = (
    "tests/oracles/test_cells.py",
    *(
        f"tests/hardware/test_{each}.py"
        for each in ("kernels", "windows", "mvu", "branches", "conv", "networks_with_branches")
    ),
)
_EDITS = (
    (r"(?<![&])&(?![&])", "|"),
    (r"(?<![|&^])\|(?![|])", "&"),
    (r"&&", "||"),
    (r"\|\|", "&&"),
    (r"~(?!\^)", ""),
    (r"==", "!="),
    (r"!=", "=="),
    (r" < ", " <= "),
    (r" >= ", " > "),
    (r" > ", " >= "),
    (r" \+ 1'b1", ""),
    (r" \+ ", " - "),
    (r" - 1\b", ""),
    (r" - ", " + "),
    (r"'0\b", "'1"),
    (r"1'b0", "1'b1"),
    (r"1'b1", "1'b0"),
    (r"\? (\S+) : (\S+);", r"? \2 : \1;"),
    (r"if \((?!!rst_ni)([^()]+)\)(?= \w+ <=| \w+\[| begin\n)", "if (1'b1)"),
    (r"if \((?!!rst_ni)([^()]+)\)(?= \w+ <=| \w+\[)", "if (1'b0)"),
)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module with one edit.

    Attributes:
        module: its name.
        line: number of the edited line.
        old: that line.
        new: what it became.
        text: of the whole module.
    """

    module: str
    line: int
    old: str
    new: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.old} -> {self.new}"


def _mutants(module: str) -> Iterator[Mutant]:
    """All of a module: what says how it behaves is behind its ports and in front of its checks."""
    text = (SV_FOLDER / f"{module}.sv").read_text(encoding="utf-8")
    first, last = text.index("\n);\n"), (text + "`ifndef").index("`ifndef")
    for pattern, new in _EDITS:
        for found in re.compile(pattern).finditer(text, first + 1, last):
            start = text.rindex("\n", 0, found.start()) + 1
            old_line = text[start : text.index("\n", found.end() - 1)]
            ignored = ("//", "$error", "localparam", "genvar", "gen_bad", "unused")
            if any(word in old_line for word in ignored):
                continue
            changed = text[: found.start()] + found.expand(new) + text[found.end() :]
            yield Mutant(
                module=module,
                line=text.count("\n", 0, start) + 1,
                old=old_line.strip(),
                new=changed[start : changed.index("\n", start)].strip(),
                text=changed,
            )


def chosen(count: int, modules: Sequence[str] = MODULES) -> list[Mutant]:
    """So many, of all these modules, the same ones each time."""
    everything = [mutant for module in modules for mutant in _mutants(module)]
    return random.Random(SEED).sample(everything, min(count, len(everything)))


def killer(mutant: Mutant, folder: Path) -> Proof | str | None:
    """What a mutant fails: a proof, or "late" or "tests"; None: nothing."""
    for number, proof in enumerate(PROOFS):
        size = max(int(proof.parameters.get(name, 0)) for name in ("Width", "Depth"))
        small = proof.folder == SV_FOLDER and size < 32 and not proof.edits
        names = [path.stem for path in sources(proof.module, proof.folder)]
        if small and mutant.module in names and proof.module in MODULES:
            place = folder / str(number)
            place.mkdir()
            try:
                covers = proof.reach if proof.module == mutant.module else 0
                proven = dataclasses.replace(proof, reach=covers)
                if not prove(proven, place, {mutant.module: mutant.text}).proven:
                    return proof
            except (AssertionError, BnnEdgeError, subprocess.TimeoutExpired):
                return proof  # no legal module, or one without an end
            try:
                lint(_written(proof, place, mutant), top=proof.module, parameters=_unquoted(proof))
            except BnnEdgeError:
                return proof
    if is_late(mutant, folder):
        return "late"
    return None if passes_tests(mutant, folder) else "tests"


def is_late(mutant: Mutant, folder: Path) -> bool:
    """Whether one of its frames takes longer than it should."""
    for number, (module, parameters, beats, cycles) in enumerate(PACES):
        if module == mutant.module:
            place = folder / f"pace-{number}"
            place.mkdir()
            proof = Proof(module=module, parameters=parameters)
            if not in_time(proof, beats, cycles, place, mutant.text):
                return True
    return False


def passes_tests(mutant: Mutant, folder: Path) -> bool:
    """Whether the default tests of kernels pass with it, in a copy of the project."""
    project = folder / "project"
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for part in ("bnnedge", "tests", "hls"):
        shutil.copytree(_PROJECT / part, project / part, ignore=ignored)
    shutil.copyfile(_PROJECT / "pyproject.toml", project / "pyproject.toml")
    kernels = project / SV_FOLDER.relative_to(_PROJECT)
    (kernels / f"{mutant.module}.sv").write_text(mutant.text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *_TESTS]
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise AssertionError(done.stdout + done.stderr)
    return done.returncode == 0


def _written(proof: Proof, place: Path, mutant: Mutant) -> list[Path]:
    """Sources without properties, one of them edited."""
    (place / "edited").mkdir()
    edited = place / "edited" / f"{mutant.module}.sv"
    edited.write_text(mutant.text, encoding="utf-8")
    return [
        edited if path.stem == mutant.module else path
        for path in sources(proof.module, proof.folder)
    ]


def _unquoted(proof: Proof) -> dict[str, int | str]:
    return {
        name: value.strip('"') if isinstance(value, str) else value
        for name, value in proof.parameters.items()
    }


def survivors(mutants: Sequence[Mutant]) -> Iterator[Mutant]:
    """Those that no proof kills; as many at a time as there are cores."""

    def survives(mutant: Mutant) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            return killer(mutant, Path(folder)) is None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, left in zip(mutants, pool.map(survives, mutants), strict=True):
            if left:
                yield mutant


if __name__ == "__main__":
    mutants = chosen(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2:] or MODULES)
    left = 0
    for mutant in survivors(mutants):
        print(mutant, flush=True)
        left += 1
    print(f"{len(mutants) - left} of {len(mutants)} killed")
